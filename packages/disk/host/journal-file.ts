/** The journal on the root volume: whole or not at all, also after a power cut. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { emptyJournal, parseJournal, type Journal } from '../rules/journal.ts';

export interface ReadJournal {
  journal: Journal;
  /** Why it is a new one; absent where it was read. */
  isNew?: 'missing' | 'not readable, or of another host';
}

export function readJournal(path: string, instanceId: string): ReadJournal {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { journal: emptyJournal(instanceId), isNew: 'missing' };
  }
  const journal = parseJournal(text, instanceId);
  if (journal) return { journal };
  // Kept for people; what EC2 and the devices say is enough to go on.
  renameSync(path, `${path}.old`);
  return { journal: emptyJournal(instanceId), isNew: 'not readable, or of another host' };
}

export function writeJournal(path: string, journal: Journal): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true });
  const next = join(folder, '.journal.next');
  const file = openSync(next, 'w', 0o600);
  try {
    writeSync(file, `${JSON.stringify(journal, undefined, 1)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(next, path);
  const entry = openSync(folder, 'r');
  try {
    fsyncSync(entry);
  } finally {
    closeSync(entry);
  }
}
