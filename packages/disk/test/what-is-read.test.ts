/** The journal of a daemon, and what the kernel says of a disk that errs. */
import { describe, expect, it } from 'vitest';
import { errorIn } from '../host/kernel-log.ts';
import { emptyJournal, parseJournal } from '../rules/journal.ts';

describe('What is read', () => {
  it('A journal of another host, or of a power cut, is none.', () => {
    const text = JSON.stringify(emptyJournal('i-1'));
    expect(parseJournal(text, 'i-1')).toEqual(emptyJournal('i-1'));
    for (const bad of [text.slice(0, 40), '', 'null', '{}', text.replace('i-1', 'i-2')])
      expect(parseJournal(bad, 'i-1'), bad).toBeUndefined();
  });

  it.each([
    ['3,9,1,-;I/O error, dev nvme2n1, sector 5 op 0x1:(WRITE) flags 0x0', 'nvme2n1'],
    [
      '3,9,1,-;critical medium error: blk_update_request: I/O error, dev nvme2n1, sector 8',
      'nvme2n1',
    ],
    ['3,9,1,-;Buffer I/O error on dev dm-0, logical block 1, lost async page write', 'dm-0'],
    ['4,9,1,-;dm-0: writeback error on inode 131, offset 0, sector 2097152', 'dm-0'],
    ['1,9,1,-;XFS (dm-0): metadata I/O error in "xfs_buf_ioend" at daddr 0x2', 'dm-0'],
    [
      '3,9,1,-;critical medium error, dev nvme2n1, sector 1568768 op 0x1:(WRITE) flags 0x1000 phys_seg 1 prio class 2',
      'nvme2n1',
    ],
    ['3,9,1,-;protection error, dev nvme2n1, sector 8 op 0x0:(READ) flags 0x0', 'nvme2n1'],
    ['3,9,1,-;timeout error, dev nvme2n1, sector 8 op 0x0:(READ) flags 0x0', 'nvme2n1'],
    ['3,9,1,-;device offline error, dev nvme2n1, sector 8 op 0x1:(WRITE) flags 0x0', 'nvme2n1'],
    ['1,9,1,-;XFS (dm-0): Metadata CRC error detected at xfs_agf_read_verify+0x5a', 'dm-0'],
    ['1,9,1,-;XFS (dm-0): Filesystem has been shut down. Shutting down filesystem', 'dm-0'],
  ])('The kernel says an I/O error: %s', (record, name) => {
    expect(errorIn(record, [name])).not.toBeNull();
    expect(errorIn(record, ['nvme7n1'])).toBeNull();
  });

  it('Other lines of the kernel are none.', () => {
    expect(errorIn('6,9,1,-;nvme nvme2: 2/0/0 default/read/poll queues', ['nvme2n1'])).toBeNull();
    expect(errorIn('5,9,1,-;XFS (dm-0): Ending clean mount', ['dm-0'])).toBeNull();
    // Nothing is lost when a device does not take such a request.
    for (const operation of ['0x3:(DISCARD)', '0x9:(WRITE_ZEROES)', '0x5:(SECURE_ERASE)'])
      for (const kind of ['I/O', 'critical target', 'operation not supported'])
        expect(
          errorIn(`3,9,1,-;${kind} error, dev nvme2n1, sector 8 op ${operation} flags 0x0`, [
            'nvme2n1',
          ]),
        ).toBeNull();
  });
});
