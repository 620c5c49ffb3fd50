/**
 * Why tasks wait. What a task's own rows do not say is asked per job queue and per owner, and kept for
 * a moment: the price does not grow with the tasks that are looked at.
 */
import { ownerLimits } from '../../core/access/owner-limits.ts';
import {
  decideWaiting,
  type Waiting,
  type WaitingFacts,
  type WaitingSubmission,
} from '../../core/waiting/waiting.ts';
import type { AttemptView } from '../../db/attempt-views.ts';
import { countInBatch } from '../../db/packing.ts';
import type { TaskDetail } from '../../db/task-views.ts';
import { readLine, type LinePlace } from '../../db/waits.ts';
import type { ApiDependencies } from '../dependencies.ts';

export interface WaitingReader {
  /** By task; those that run or have ended are left out. */
  read(
    details: readonly TaskDetail[],
    latestOf: (taskId: number) => AttemptView | undefined,
  ): Promise<Map<number, Waiting>>;
  /** From facts that are known already. */
  decide(facts: WaitingFacts): Waiting | undefined;
}

const KEPT_MS = 2000;

/** Asks once for all who want to know at the same time. */
function keepBriefly<T>(
  nowMs: () => number,
  ask: (key: string) => Promise<T>,
): (key: string) => Promise<T> {
  const kept = new Map<string, { atMs: number; answer: Promise<T> }>();
  return (key) => {
    const known = kept.get(key);
    if (known && nowMs() - known.atMs < KEPT_MS) return known.answer;
    for (const [old, { atMs }] of kept) if (nowMs() - atMs >= KEPT_MS) kept.delete(old);
    const answer = ask(key);
    answer.catch(() => kept.delete(key));
    kept.set(key, { atMs: nowMs(), answer });
    return answer;
  };
}

type WaitingDependencies = Pick<ApiDependencies, 'config' | 'database' | 'queues' | 'nowMs'>;

export function createWaitingReader(dependencies: WaitingDependencies): WaitingReader {
  const { config, queues, nowMs } = dependencies;
  const fleet = openFleetFacts(dependencies);
  const decide = (facts: WaitingFacts): Waiting | undefined =>
    decideWaiting({ ...facts, redisAwayMs: queues.awaySinceMs() }, config, nowMs());
  return {
    decide,
    async read(details, latestOf) {
      const waiting = new Map<number, Waiting>();
      for (const detail of details) {
        if (!WAITS.has(detail.place) || detail.running) continue;
        const found = decide(await gatherFacts(fleet, detail, latestOf(detail.id)));
        if (found) waiting.set(detail.id, found);
      }
      return waiting;
    },
  };
}

const WAITS: ReadonlySet<string> = new Set(['cache-check', 'stage-script', 'submit', 'poll']);

/** What is asked per job queue, and per owner. */
interface FleetFacts {
  /** How many tasks are ahead of a submission in its job queue. */
  ahead(attempt: AttemptView): Promise<number>;
  ownerOf(owner: string): Promise<WaitingFacts['owner']>;
}

function openFleetFacts({ config, database: { pool }, nowMs }: WaitingDependencies): FleetFacts {
  const limitOf = ownerLimits(config.ownerLimit, config.ownerLimits);
  const lineOf = keepBriefly(nowMs, async (queue) => inLine(await readLine(pool, queue)));
  const inBatchOf = keepBriefly(nowMs, (owner) => countInBatch(pool, owner));
  return {
    async ahead({ queue, submissionId, arrayIndex }) {
      const { places, all } = await lineOf(queue);
      // One that came since the line was read is behind all of it.
      const { before, started } = places.get(submissionId) ?? { before: all, started: 0 };
      // Batch starts the children of an array in about their order.
      return before + Math.max(0, arrayIndex - started);
    },
    async ownerOf(owner) {
      const limit = limitOf?.(owner) ?? Number.POSITIVE_INFINITY;
      return Number.isFinite(limit) ? { limit, inBatch: await inBatchOf(owner) } : undefined;
    },
  };
}

function inLine(line: readonly LinePlace[]) {
  const places = new Map<number, { before: number; started: number }>();
  let all = 0;
  for (const { id, size, unstarted } of line) {
    places.set(id, { before: all, started: Math.max(0, size - unstarted) });
    all += unstarted;
  }
  return { places, all };
}

async function gatherFacts(
  fleet: FleetFacts,
  { place, running, movedMs, retryMs, leader, owner, ...detail }: TaskDetail,
  latest: AttemptView | undefined,
): Promise<WaitingFacts> {
  // Before it is packed again, its latest attempt has ended.
  const attempt = latest?.outcome === undefined ? latest : undefined;
  const { blocked, blockedMs = movedMs } = detail;
  return {
    place,
    running,
    movedMs,
    retryMs,
    leader,
    ...(blocked !== undefined && { script: { words: blocked, sinceMs: blockedMs } }),
    ...(attempt && { submission: await gatherSubmission(fleet, place, attempt) }),
    ...(place === 'submit' && !attempt && { owner: await fleet.ownerOf(owner) }),
  };
}

async function gatherSubmission(
  fleet: FleetFacts,
  place: TaskDetail['place'],
  attempt: AttemptView,
): Promise<WaitingSubmission> {
  const { createdMs, submittedMs, queue, waitingFor, waitingReason, waitingMs } = attempt;
  return {
    createdMs,
    submittedMs,
    queue,
    ...(waitingFor !== undefined &&
      waitingReason !== undefined &&
      waitingMs !== undefined && {
        aws: { for: waitingFor, sinceMs: waitingMs, words: waitingReason },
      }),
    ...(place === 'poll' && { ahead: await fleet.ahead(attempt) }),
  };
}
