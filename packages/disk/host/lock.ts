/** One daemon at a time. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The descriptor that holds the lock; `undefined` where somebody else has it. flock(2) is of the open
 * file, which this process shares with the program `flock`: the lock stays when that one has ended, and
 * goes when the last process that holds the descriptor ends.
 */
export function takeLock(path: string): number | undefined {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, 'a', 0o600);
  const { status, error } = spawnSync('flock', ['-n', '-x', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', file],
  });
  if (error) throw new Error(`The program flock could not be run: ${error.message}.`);
  if (status === 0) return file;
  closeSync(file);
  return undefined;
}
