/** Single decisions, with facts written by hand. */
import { describe, expect, it } from 'vitest';
import { decideDisk } from '../rules/decide.ts';
import type { Facts } from '../rules/facts.ts';
import { fastestRate, lastingRate, withSample, type Sample } from '../rules/fill-rate.ts';
import { chooseFirstDisk, type Candidate } from '../rules/first-disk.ts';
import { emptyJournal, type Journal } from '../rules/journal.ts';
import { nextSize } from '../rules/need.ts';
import { GIB, readPolicy, type Policy } from '../rules/policy.ts';
import { recordEc2, recordQuick } from '../rules/record.ts';
import { tagsOf } from '../rules/tags.ts';
import { diskMetrics } from '../host/metrics.ts';

const MIB = 1_048_576;
const elastic = (more: Record<string, string> = {}): Policy => {
  const read = readPolicy({ DISK_MODE: 'elastic', STACK: 'batchwell', ...more });
  if ('problems' in read) throw new Error(read.problems.join());
  return read.policy;
};

const facts = (more: Partial<Facts> = {}): Facts => ({
  instanceId: 'i-1',
  zone: 'a',
  fileSystem: { sizeBytes: 100 * GIB, freeBytes: 90 * GIB, inodes: 1000, freeInodes: 900 },
  bytesPerSecond: 0,
  lastingBytesPerSecond: 0,
  devices: [],
  isFileSystemWhole: true,
  isInspected: true,
  tasks: 'running',
  rootFreeBytes: 20 * GIB,
  hasBallast: true,
  ioError: null,
  own: [],
  unused: [],
  ownAgainMs: Infinity,
  wholeAgainMs: 0,
  sweepAtMs: 0,
  busy: { ec2: false, block: false },
  warned: new Set(),
  ...more,
});
const free = (freeBytes: number): Partial<Facts> => ({
  fileSystem: { ...facts().fileSystem, freeBytes },
});
const journal = (more: Partial<Journal> = {}): Journal => ({ ...emptyJournal('i-1'), ...more });
const planned = {
  token: 't',
  sizeGiB: 100,
  deviceName: '/dev/xvdbc',
  startedMs: 0,
  sinceMs: 0,
  tries: 0,
  nextTryMs: 0,
  calls: 1,
  isDoubtful: false,
};
const decided = (seen: Partial<Facts>, known: Partial<Journal> = {}, policy = elastic()) =>
  decideDisk(facts(seen), journal(known), policy, 1_000_000);

describe('The disk grows', () => {
  it('when it is full in less than three times the slowest growth.', () => {
    const rate = { bytesPerSecond: (90 * GIB) / 179 };
    expect(decided(rate)).toMatchObject({ do: 'plan', deviceName: '/dev/xvdba' });
    expect(decided({ bytesPerSecond: (90 * GIB) / 181 })).toEqual({ do: 'wait', waitMs: 2000 });
    expect(decided({ bytesPerSecond: GIB / 4 }, { slowestGrowthMs: 150_000 }).do).toBe('plan');
  });

  it('when 85 % of it is used, however slowly.', () => {
    expect(decided(free(15 * GIB))).toMatchObject({ do: 'plan', sizeGiB: 100 });
    expect(decided(free(16 * GIB)).do).toBe('wait');
  });

  it('by ten minutes of its rate, and by at least 100 GiB.', () => {
    const bytesPerSecond = GIB;
    expect(decided({ bytesPerSecond, lastingBytesPerSecond: GIB })).toMatchObject({ sizeGiB: 600 });
    // It has only begun.
    expect(decided({ bytesPerSecond })).toMatchObject({ sizeGiB: 100 });
    const last = { volumeId: 'vol-1', sizeGiB: 100, deviceName: '/dev/xvdba' };
    const volumes = Array.from({ length: 6 }, () => last);
    expect(decided(free(GIB * 15), { volumes })).toMatchObject({ sizeGiB: 400 });
  });

  it('up to the limit, and then says so once.', () => {
    const policy = elastic({ DISK_MAX_GIB: '150' });
    expect(decided(free(5 * GIB), {}, policy)).toMatchObject({ do: 'plan', sizeGiB: 50 });
    const full = elastic({ DISK_MAX_GIB: '100' });
    expect(decided(free(5 * GIB), {}, full)).toMatchObject({
      do: 'warn',
      of: 'limit',
      sentence: expect.stringContaining('100 GiB that DiskMaxGiB allows'),
    });
    expect(decided({ ...free(5 * GIB), warned: new Set(['limit']) }, {}, full).do).toBe('wait');
  });

  it('to a limit that is over only when there is room again, and not with each breath of the rate.', () => {
    const full = elastic({ DISK_MAX_GIB: '100' });
    const at = (freeGiB: number, secondsToFull: number) =>
      decided(
        {
          ...free(freeGiB * GIB),
          bytesPerSecond: (freeGiB * GIB) / secondsToFull,
          warned: new Set(['limit']),
        },
        {},
        full,
      );
    expect([at(16, 1e6), at(19, 1e6), at(40, 181), at(40, 359)].map((one) => one.do)).toEqual(
      Array.from({ length: 4 }, () => 'wait'),
    );
    expect(at(21, 361)).toEqual({ do: 'recovered', of: 'limit' });
  });

  it('no further while EC2 attaches no more volumes, says so once, and tries again later.', () => {
    const last = { volumeId: 'vol-1', sizeGiB: 100, deviceName: '/dev/xvdba' };
    const before = journal({
      volumes: [last, last],
      growth: { ...planned, at: 'created', volumeId: 'vol-3' },
    });
    const after = recordEc2(
      before,
      { do: 'attach' },
      {
        is: 'refused',
        kind: 'limit',
        isDoubtful: false,
        action: 'ec2:AttachVolume',
        sentence: 'ec2:AttachVolume: AttachmentLimitExceeded: played',
      },
      { nowMs: 1_000_000, chance: 0, token: '' },
    );
    const known = { ...after, discards: [] };
    expect(after.discards).toHaveLength(1);
    expect(decided(free(5 * GIB), known)).toMatchObject({
      do: 'warn',
      of: 'limit',
      sentence: expect.stringContaining('AttachmentLimitExceeded); 2 are ours'),
    });
    const warned = facts({ ...free(5 * GIB), warned: new Set(['limit']) });
    const at = (nowMs: number) => decideDisk(warned, known, elastic(), nowMs).do;
    expect([at(1_000_000), at(1_000_000 + 3_599_000), at(1_000_000 + 3_600_000)]).toEqual([
      'wait',
      'wait',
      'plan',
    ]);
  });

  it('to 16 TiB with twenty volumes.', () => {
    let volumes: Journal['volumes'] = [];
    let sizeBytes = 100 * GIB;
    for (;;) {
      const fileSystem = { ...facts().fileSystem, sizeBytes, freeBytes: sizeBytes * 0.15 };
      const size = nextSize(facts({ fileSystem }), journal({ volumes }), elastic(), 0);
      if ('limit' in size) break;
      volumes = [...volumes, { volumeId: '', deviceName: '', sizeGiB: size.sizeGiB }];
      sizeBytes += size.sizeGiB * GIB;
    }
    expect(sizeBytes / GIB).toBe(16_384);
  });

  it.each(['fixed', 'instance-store'])('never in the mode %s.', (mode) => {
    const policy = elastic({ DISK_MODE: mode, DISK_GIB: '100' });
    expect(decided({ ...free(0), own: null, unused: null }, {}, policy).do).toBe('wait');
  });

  it('no more after EC2 refused an action, until the daemon starts again.', () => {
    const refused = { action: 'ec2:CreateVolume', sentence: '' };
    expect(decided({ ...free(GIB / 2), own: null, unused: null }, { refused }).do).toBe('wait');
  });
});

describe('The tasks are held', () => {
  const growth = recordQuick(
    journal(),
    { do: 'plan', sizeGiB: 100, deviceName: '/dev/xvdba', reason: '' },
    { nowMs: 1_000_000, chance: 0, token: 't' },
  ).growth;

  it('while the disk grows and less than 1 GiB, or five seconds of their rate, is free.', () => {
    expect(decided(free(GIB - 1), { growth })).toEqual({ do: 'brake', belowBytes: GIB });
    const fast = { ...free(4.9 * GIB), bytesPerSecond: GIB };
    expect(decided(fast, { growth })).toEqual({ do: 'brake', belowBytes: 5 * GIB });
    expect(decided(free(2 * GIB), { growth }).do).toBe('create');
  });

  it('until it has grown, and no longer than 120 s.', () => {
    const brake = { sinceMs: 1_000_000 - 119_000, belowBytes: GIB };
    const frozen = { tasks: 'frozen' } as const;
    expect(decided({ ...free(GIB / 2), ...frozen }, { growth, brake }).do).not.toBe('release');
    expect(decided({ ...free(2 * GIB), ...frozen }, { growth, brake })).toEqual({
      do: 'release',
      reason: 'grown',
    });
    const long = { ...brake, sinceMs: 1_000_000 - 120_000 };
    expect(decided({ ...free(GIB / 2), ...frozen }, { growth, brake: long })).toEqual({
      do: 'release',
      reason: 'spent',
    });
    const spent = { growth, brakeSpentMs: 999_000 };
    expect(decided(free(GIB / 2), spent).do).toBe('create');
  });

  it('by nobody where the cgroup is missing, which is said once.', () => {
    const seen = { ...free(GIB / 2), tasks: 'missing' } as const;
    expect(decided(seen, { growth })).toMatchObject({ do: 'warn', of: 'no-brake' });
    expect(decided({ ...seen, warned: new Set(['no-brake']) }, { growth }).do).toBe('create');
  });

  it('no longer by a brake that the journal does not know.', () => {
    expect(decided({ tasks: 'frozen' })).toEqual({ do: 'release', reason: 'not ours' });
  });
});

describe('The host', () => {
  it('ends at an I/O error of its disk, and then does nothing else.', () => {
    expect(decided({ ioError: 'I/O error, dev nvme2n1' })).toMatchObject({
      do: 'end-host',
      reason: expect.stringContaining('nvme2n1'),
    });
    expect(decided({ tasks: 'frozen', warned: new Set(['io-error']) }).do).toBe('wait');
  });

  it('gives the ballast to agent and logs when the root volume fills.', () => {
    expect(decided({ rootFreeBytes: 400 * MIB }).do).toBe('release-ballast');
    expect(decided({ rootFreeBytes: 400 * MIB, hasBallast: false }).do).toBe('wait');
  });

  it('says once that inodes are few, and when they are not any more.', () => {
    const few = { fileSystem: { ...facts().fileSystem, freeInodes: 9 } };
    expect(decided(few)).toMatchObject({ do: 'warn', of: 'inodes' });
    expect(decided({ ...few, warned: new Set(['inodes']) }).do).toBe('wait');
    expect(decided({ warned: new Set(['inodes']) })).toEqual({ do: 'recovered', of: 'inodes' });
  });
});

describe('A setting that is not one', () => {
  it.each([
    [
      { DISK_MODE: 'automatic' },
      'DISK_MODE is "automatic". Expected one of fixed, instance-store, elastic.',
    ],
    [{ DISK_GIB: '1e3' }, 'DISK_GIB is "1e3". Expected a whole number of GiB from 0 to 65536.'],
    [{ DISK_GIB: '-5' }, 'DISK_GIB is "-5".'],
    [
      { DISK_MAX_GIB: '50', DISK_GIB: '100' },
      'DISK_MAX_GIB is 50, less than the first volume of 100 GiB.',
    ],
    [{ STACK: '' }, 'STACK is empty.'],
  ])('is refused with its sentence: %j', (environment, sentence) => {
    const read = readPolicy({ DISK_MODE: 'elastic', STACK: 's', ...environment });
    expect('problems' in read ? read.problems.join(' ') : '').toContain(sentence);
  });

  it('does not hide another one.', () => {
    const read = readPolicy({ DISK_MODE: 'x', DISK_GIB: 'y', DISK_MAX_GIB: 'z' });
    expect('problems' in read && read.problems).toHaveLength(3);
  });
});

describe('Tags', () => {
  const owner = { stack: 's', instanceId: 'i-1', token: 't' };

  it('of AWS and of ours are not copied, and those that EC2 would refuse are named.', () => {
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`k${at}`, '']));
    expect(tagsOf(owner, { 'aws:batch': 'x', 'batchwell:disk': 'other' })).toEqual({
      tags: [
        { Key: 'batchwell:disk', Value: 's' },
        { Key: 'batchwell:host', Value: 'i-1' },
        { Key: 'batchwell:growth', Value: 't' },
      ],
      skipped: [],
    });
    expect(tagsOf(owner, many).tags).toHaveLength(50);
    expect(tagsOf(owner, { ['k'.repeat(200)]: '' }).skipped[0]).toContain('200 characters');
    expect(tagsOf(owner, { k: 'v'.repeat(300) }).skipped).toEqual([
      'The tag "k" has a value of 300 characters.',
    ]);
  });
});

describe('The rate', () => {
  it('is that of the fastest window, and a burst shows at once.', () => {
    let samples: Sample[] = [];
    for (let atMs = 0; atMs <= 120_000; atMs += 2_000)
      samples = withSample(samples, {
        atMs,
        usedBytes: atMs < 110_000 ? 0 : (atMs - 110_000) * 1000,
      });
    expect(fastestRate(samples)).toBe(1_000_000);
    expect(samples.length).toBeLessThan(65);
  });

  it('that lasts counts a file that is made at its full size once.', () => {
    const made = 120 * GIB;
    let samples = [{ atMs: 0, usedBytes: GIB }];
    samples = withSample(samples, { atMs: 2_000, usedBytes: GIB + made });
    expect(fastestRate(samples)).toBe(60 * GIB);
    expect(lastingRate(samples)).toBe(GIB);
    for (let atMs = 4_000; atMs <= 122_000; atMs += 2_000)
      samples = withSample(samples, { atMs, usedBytes: GIB + made });
    expect(lastingRate(samples)).toBe(0);
    expect(lastingRate([])).toBe(0);
  });

  it('is 0 while nothing grows, or with one sample.', () => {
    expect(fastestRate([])).toBe(0);
    expect(fastestRate([{ atMs: 0, usedBytes: 5 }])).toBe(0);
    expect(
      fastestRate([
        { atMs: 0, usedBytes: 5 },
        { atMs: 1, usedBytes: 2 },
      ]),
    ).toBe(0);
  });
});

describe('The disk of a new host', () => {
  const nvme = (at: number): Candidate => ({
    path: `/dev/nvme${at}n1`,
    sizeBytes: 900 * GIB,
    isInstanceStore: true,
    content: { is: 'blank' },
  });
  const volume = (gib: number, content: Candidate['content'] = { is: 'blank' }): Candidate => ({
    path: `/dev/nvme9n1`,
    sizeBytes: gib * GIB,
    isInstanceStore: false,
    content,
  });
  const root = volume(30, { is: 'foreign', signature: 'gpt' });
  const policy = (DISK_MODE: string, DISK_GIB: string): Policy => elastic({ DISK_MODE, DISK_GIB });

  it('is all NVMe disks as one stripe, in the mode instance-store.', () => {
    expect(chooseFirstDisk(policy('instance-store', '0'), [root, nvme(1), nvme(2)])).toEqual({
      striped: ['/dev/nvme1n1', '/dev/nvme2n1'],
      more: [],
    });
    expect(chooseFirstDisk(policy('instance-store', '0'), [root])).toMatchObject({
      problem: expect.stringMatching(/no empty NVMe disk.*c6id.*\(30 GiB, gpt\)/),
    });
  });

  it('is the volume of the launch template, in the mode fixed.', () => {
    expect(chooseFirstDisk(policy('fixed', '500'), [root, nvme(1), volume(500)])).toEqual({
      striped: ['/dev/nvme9n1'],
      more: [],
    });
    expect(chooseFirstDisk(policy('fixed', '500'), [root, volume(400)])).toHaveProperty('problem');
    const used = volume(500, { is: 'foreign', signature: 'ext4' });
    expect(chooseFirstDisk(policy('fixed', '500'), [root, used])).toMatchObject({
      problem: expect.stringContaining('500 GiB, ext4'),
    });
    expect(chooseFirstDisk(policy('fixed', '500'), [volume(500), volume(500)])).toMatchObject({
      problem: expect.stringContaining('2 empty volumes'),
    });
  });

  it('is NVMe first, in the mode elastic, and nothing that is paid for is left aside.', () => {
    const chosen = chooseFirstDisk(policy('elastic', '100'), [root, nvme(1), volume(100)]);
    expect(chosen).toEqual({ striped: ['/dev/nvme1n1'], more: ['/dev/nvme9n1'] });
    expect(chooseFirstDisk(policy('elastic', '0'), [root])).toMatchObject({
      problem: expect.stringContaining('InstanceTypes'),
    });
  });
});

describe('Metrics', () => {
  it('are a line when something changed, and none while a host is idle.', () => {
    const { counts } = journal();
    const { fileSystem } = facts();
    const metrics = diskMetrics('lab', counts);
    const first = JSON.parse(metrics.lineOf(fileSystem, counts, 0) ?? '{}') as object;
    expect(first).toMatchObject({
      DiskUsedBytes: 10 * GIB,
      DiskGrowths: 0,
      _aws: { CloudWatchMetrics: [{ Namespace: 'Batchwell/lab' }] },
    });
    expect(metrics.lineOf(fileSystem, counts, 3_600_000)).toBeUndefined();
    const later = metrics.lineOf(fileSystem, { ...counts, giveUps: 2, brakeMs: 5_000 }, 3_700_000);
    expect(JSON.parse(later ?? '{}')).toMatchObject({ DiskGiveUps: 2, DiskBrakeSeconds: 5 });
  });
});
