/** Restores what an earlier server on the same data folder knew. */
import { hostLost } from './attempts.ts';
import type { Definitions } from './definitions.ts';
import { markStopped, type Engine } from './engine.ts';
import type { JobStore } from './job-store.ts';
import { isTerminal, type Job } from './jobs.ts';
import type { JournalEvent } from './journal.ts';
import type { Queues } from './queues.ts';

type Started = Extract<JournalEvent, { event: 'started' }>;

interface Restored {
  store: JobStore;
  definitions: Definitions;
  queues: Queues;
  engine: Engine;
}

export interface History extends Restored {
  /** Jobs that have started and not ended, at the point of the journal read so far. */
  open: Map<Job, Started>;
}

export function createHistory({ store, definitions, queues, engine }: Restored): History {
  return { store, definitions, queues, engine, open: new Map() };
}

function applyToJob(
  { store, engine, open }: History,
  event: Extract<JournalEvent, { jobId: string }>,
): void {
  const job = store.get(event.jobId);
  if (job === undefined) return;
  if (event.event === 'started') {
    open.set(job, event);
    job.startedAtMs = event.atMs;
    if (job.parent !== undefined) job.parent.startedAtMs ??= event.atMs;
  } else if (event.event === 'attempt') {
    open.delete(job);
    job.attempts.push(event.attempt);
  } else if (event.event === 'ended') {
    open.delete(job);
    engine.finish(job, event.status, event.statusReason, event.atMs);
  } else if (event.event === 'stopped') markStopped(job, event.how, event.reason);
  else job.submission.tags = event.tags;
}

/** Applies one event of the journal. */
export function applyEvent(history: History, event: JournalEvent): void {
  const { definitions, queues, engine } = history;
  switch (event.event) {
    case 'definition':
      definitions.put(event.definition);
      break;
    case 'queue':
      queues.put(event.queue);
      break;
    case 'queue-removed':
      queues.remove(event.name);
      break;
    case 'environment':
      queues.putEnvironment(event.environment);
      break;
    case 'environment-removed':
      queues.removeEnvironment(event.name);
      break;
    case 'submitted':
      engine.add(event.submission);
      break;
    default:
      applyToJob(history, event);
  }
}

/** Ends what ran when the server died, as lost with its host. Every other job continues. */
export function continueJobs({ store, engine, open }: History, nowMs: number): void {
  for (const [job, { taskId, logStreamName, atMs }] of open) {
    const { statusReason, retriable } = hostLost();
    const stream = logStreamName === undefined ? {} : { logStreamName };
    engine.attemptEnded(
      job,
      { statusReason, retriable },
      { statusReason, taskId, startedAtMs: atMs, stoppedAtMs: nowMs, ...stream },
    );
  }
  for (const job of store.all()) {
    if (isTerminal(job.status)) continue;
    if (job.stopped?.how === 'terminate') engine.stop(job, 'terminate', job.stopped.reason);
    else engine.release(job);
  }
}
