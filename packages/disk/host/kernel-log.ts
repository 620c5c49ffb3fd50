/** What the kernel says about I/O errors, read without waiting. */
import { closeSync, constants, openSync, readSync } from 'node:fs';

const RECORD_BYTES = 8_192;
/** More than the kernel keeps in one look. */
const MOST_RECORDS = 2_000;

export interface KernelLog {
  /** The first error about one of these names (`nvme1n1`, `dm-0`) since the last call. */
  errorAbout(names: readonly string[]): string | null;
  close(): void;
}

/**
 * From the boot on: an error while no daemon ran counts as well. Answers null where the log cannot be
 * read.
 */
export function kernelLog(path = '/dev/kmsg'): KernelLog {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return { errorAbout: () => null, close: () => undefined };
  }
  const opened = file;
  const buffer = Buffer.alloc(RECORD_BYTES);
  const next = (): string | undefined => {
    for (;;)
      try {
        const bytes = readSync(opened, buffer, 0, RECORD_BYTES, null);
        return bytes === 0 ? undefined : buffer.toString('utf8', 0, bytes);
      } catch (error) {
        // EPIPE: records were overwritten before they were read.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return undefined;
      }
  };
  return {
    errorAbout: (names) => {
      let found: string | null = null;
      for (let read = 0; read < MOST_RECORDS; read += 1) {
        const record = next();
        if (record === undefined) break;
        found ??= errorIn(record, names);
      }
      return found;
    },
    close: () => closeSync(opened),
  };
}

/** Sentences of Linux 6.1 (block/blk-core.c, fs/buffer.c, fs/xfs). An NVMe device says `critical medium`. */
const ERRORS = [
  /(?:I\/O|critical medium|critical target|protection|timeout|device offline|recoverable transport) error, dev (\S+?),/,
  /I\/O error on dev (\S+?),/,
  /^XFS \((\S+?)\):.*(?:I\/O error|Shutting down|shut down|Metadata (?:CRC error|corruption) detected)/,
  /^(\S+): writeback error on inode/,
];

/** A device may refuse them, and nothing is lost. */
const HARMLESS = / op 0x\w+:\((?:DISCARD|SECURE_ERASE|WRITE_ZEROES)\)/;

export function errorIn(record: string, names: readonly string[]): string | null {
  // `6,1234,5678,-;message`, then lines of key and value.
  const message = record.replace(/^[^;]*;/, '').split('\n')[0] ?? '';
  if (HARMLESS.test(message)) return null;
  const isAbout = ERRORS.some((pattern) => names.includes(pattern.exec(message)?.[1] ?? ''));
  return isAbout ? message : null;
}
