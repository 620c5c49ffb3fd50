/** One process per data folder: two would overwrite each other's journal. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const OPEN_HERE = new Set<string>();

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
}

function holderOf(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isInteger(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Locks the folder for this process. The returned function unlocks it. The lock of a process that
 * has ended is taken over.
 * @throws when another live process, or this one, holds the lock.
 */
export function lockFolder(folder: string): () => void {
  const whole = resolve(folder);
  const path = join(whole, 'lock');
  const holder = holderOf(path);
  // Our own pid in the file of an earlier start is a reused number (pid 1 of a container) and no
  // lock.
  const heldElsewhere = holder !== undefined && holder !== process.pid && isAlive(holder);
  if (heldElsewhere || OPEN_HERE.has(whole)) {
    throw new Error(
      `The data folder ${whole} is in use by process ${holder}. Stop it or choose another folder.`,
    );
  }
  OPEN_HERE.add(whole);
  writeFileSync(path, `${process.pid}\n`);
  return () => {
    OPEN_HERE.delete(whole);
    rmSync(path, { force: true });
  };
}
