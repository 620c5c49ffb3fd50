/**
 * Tests stop a daemon when its journal comes to a state, or is about to: `created:SIGKILL`,
 * `grown:SIGSTOP:before`. Before: the effect is there, and the journal does not know it.
 */
import type { Journal } from '../rules/journal.ts';
import { paths } from './paths.ts';
import { readJournal } from './journal-file.ts';

type When = 'before' | 'after';

export function crashPoint(next: Journal): (now: When) => void {
  const [at, signal, when = 'after'] = (process.env['BATCHWELL_DISK_CRASH'] ?? '').split(':');
  if (at === '') return () => undefined;
  const from = stateOf(readJournal(paths.journal, next.instanceId).journal);
  const to = from === 'added' && next.growth === null ? 'grown' : stateOf(next);
  return (now) => {
    if (now === when && to === at && from !== at) process.kill(process.pid, signal);
  };
}

const stateOf = ({ growth }: Journal): string => growth?.at ?? 'idle';
