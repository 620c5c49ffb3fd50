/**
 * What becomes of a task that waited for an equal one, its leader, once the leader has ended and
 * the cache has no entry for both.
 */
import type { EndPlace } from '../places.ts';
import { executorFailure } from '../result/decide-finish.ts';
import type { ResultRecord } from '../result/result.ts';
import { failureOf, type Failure } from '../retry/failures.ts';
import type { Resources } from '../task/task.ts';

interface Call {
  owner: string;
  /** Hex. */
  fingerprint: string;
  resources: Resources;
}

export interface EndedLeader extends Call {
  /** As callers see it. */
  id: string;
  place: EndPlace;
  /** Whether it wrote an entry, which may be unusable by now, or was a hit itself. */
  hadEntry: boolean;
  /** See `commandFailure`. */
  commandFailure?: string | undefined;
}

export type AfterLeader =
  /** As if it had never waited: the next of them leads, and the others wait for it. */
  | { do: 'check' }
  /** All of them at once. In turns, each would wait for the failure of the one before it. */
  | { do: 'run' }
  | { do: 'fail'; failure: Failure };

export function decideAfterLeader(follower: Call, leader: EndedLeader): AfterLeader {
  const leftNothing = leader.place === 'failed' || (leader.place === 'done' && !leader.hadEntry);
  // Its inputs have changed since it began to wait.
  const isOther = follower.fingerprint !== leader.fingerprint;
  if (isOther || !leftNothing) return { do: 'check' };
  const failure = leader.place === 'failed' ? leader.commandFailure : undefined;
  if (failure === undefined || !isAlike(follower, leader)) return { do: 'run' };
  const fact = `It is the same call as ${leader.id}, which failed: ${failure}`;
  return { do: 'fail', failure: failureOf('same-call-failed', fact) };
}

/** Another owner's task may be allowed to do more, and one with other resources may succeed. */
const isAlike = (a: Call, b: Call): boolean =>
  a.owner === b.owner && JSON.stringify(a.resources) === JSON.stringify(b.resources);

const FIRST_SIGNAL_CODE = 128;

/**
 * How the command itself failed, so that an equal one would fail too. Undefined for everything else,
 * such as lost hosts, time limits, files that could not be moved, and commands ended by a signal:
 * these may end well the next time.
 */
export function commandFailure(
  failureCode: string | null,
  result: ResultRecord | undefined,
  ignoreErrors: readonly boolean[],
): string | undefined {
  if (failureCode !== 'executor-failed' || !result) return undefined;
  const failure = executorFailure(result, ignoreErrors);
  return failure && failure.exitCode < FIRST_SIGNAL_CODE ? failure.fact : undefined;
}
