/**
 * After a backup was restored: makes this database the one that acts for its installation, or an
 * installation of its own.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeenJob } from '../aws/batch.ts';
import { activeStatuses } from '../core/submission/job-status.ts';
import { submissionKeyOf } from '../core/submission/packing.ts';
import {
  becomeCopy,
  drawInstallation,
  raiseEpoch,
  readHolder,
  readInstallation,
  resumeInstallation,
} from '../db/installation.ts';
import { readQueuesOfShapes } from '../db/job-definitions.ts';
import { configuredQueues } from '../core/submission/on-demand.ts';
import { readRecentlyUsedQueues, readSubmissionsByKey } from '../db/submissions.ts';
import { readLease, workUrlOf, writeLease } from './lease.ts';
import type { Runtime } from './runtime.ts';
import { endOrphan } from './upkeep/janitor.ts';

export interface Restored {
  installation: string;
  epoch: number;
  /** Open submissions whose jobs are looked up by name before SubmitJob is called. */
  submissionsInDoubt: number;
  /** Jobs that were submitted after the backup, and were ended. */
  jobsEnded: number;
}

/** The work of another fleet goes on, or the lease changed just now. */
class RestoreRefused extends Error {
  override name = 'RestoreRefused';
}

/**
 * Starts a new epoch with this database. Jobs that it does not know are ended first: what they
 * belong to runs again.
 * @throws RestoreRefused while another fleet renews the lease
 */
export async function restore(runtime: Runtime, say: (step: string) => void): Promise<Restored> {
  const { database, installation } = runtime;
  say('looking for a fleet that still runs…');
  const { secret } = await readInstallation(database.pool);
  await requireSilence(runtime, secret);
  say('ending jobs that this database does not know…');
  const jobsEnded = await endOrphans(runtime, say);
  const seen = await readLease(runtime, { secret });
  const row = await readInstallation(database.pool);
  const epoch = Math.max(row.epoch, seen?.lease?.epoch ?? 0) + 1;
  const nonce = randomBytes(16).toString('hex');
  const submissionsInDoubt = await raiseEpoch(database, {
    epoch,
    nonce,
    workUrl: workUrlOf(runtime),
    nowMs: runtime.nowMs(),
  });
  const holder = await readHolder(database.pool);
  const lease = { epoch, renewals: row.renewals + 1, nonce, holder };
  if (!(await writeLease(runtime, row, { lease, seen })))
    throw new RestoreRefused(
      'Another fleet renewed the lease in the same moment. Stop it, then run batchwell restore again.',
    );
  await resumeInstallation(database.pool, runtime.nowMs());
  return { installation, epoch, submissionsInDoubt, jobsEnded };
}

/** A fleet renews its lease all the time: a lease that does not change has none. */
async function requireSilence(runtime: Runtime, secret: Buffer): Promise<void> {
  const before = await readLease(runtime, { secret });
  if (!before?.lease) return;
  await sleep(2 * runtime.config.leaseMs);
  const after = await readLease(runtime, { secret });
  if (after?.lease && after.lease.nonce !== before.lease.nonce)
    throw new RestoreRefused(
      `A fleet acts for installation ${runtime.installation} right now, with the database ` +
        `${after.lease.holder}. Stop all of its workers, then run batchwell restore again. ` +
        'If this database is a copy for another purpose, run: batchwell restore --copy.',
    );
}

const GONE_PATIENCE_ROUNDS = 60;
const GONE_PAUSE_MS = 2000;

/** Ends them, and waits until Batch says that they have ended: their containers may still write. */
async function endOrphans(runtime: Runtime, say: (step: string) => void): Promise<number> {
  const ended = new Set<string>();
  for (let round = 1; ; round += 1) {
    const orphans = await findOrphans(runtime);
    for (const job of orphans) {
      if (!ended.has(job.jobId)) await endOrphan(runtime, job);
      ended.add(job.jobId);
    }
    if (orphans.length === 0) return ended.size;
    if (round === GONE_PATIENCE_ROUNDS)
      throw new RestoreRefused(
        `${orphans.length} jobs of this installation have not ended, such as ` +
          `${orphans[0]?.jobId ?? ''}. Their containers may still write. Run batchwell restore again.`,
      );
    say(`waiting for ${orphans.length} jobs to end…`);
    await sleep(GONE_PAUSE_MS);
  }
}

async function findOrphans(runtime: Runtime): Promise<SeenJob[]> {
  const { database, config, batch, installation } = runtime;
  const queues = new Set([
    ...configuredQueues(config),
    // Of any age: a backup may be old.
    ...(await readRecentlyUsedQueues(database.pool, 0)),
    ...(await readQueuesOfShapes(database.pool)),
  ]);
  const jobs: SeenJob[] = [];
  for (const queue of queues)
    for (const status of activeStatuses)
      for (const job of await batch.list({ queue }, status)) jobs.push(job);
  const named = jobs.flatMap((job) => {
    const key = submissionKeyOf(installation, job.name ?? '');
    return key === undefined ? [] : [{ job, key }];
  });
  const known = await readSubmissionsByKey(
    database.pool,
    named.map(({ key }) => key),
  );
  return named.filter(({ key }) => !known.has(key)).map(({ job }) => job);
}

export interface Copied {
  installation: string;
  /** Unfinished tasks, which the original runs. */
  tasksCancelled: number;
}

/** Makes a copy of a database an installation of its own, which touches nothing of the original. */
export async function separate(runtime: Runtime): Promise<Copied> {
  const { database, nowMs } = runtime;
  await refuseOriginal(runtime);
  const installation = drawInstallation();
  const tasksCancelled = await becomeCopy(database, { installation, nowMs: nowMs() });
  return { installation, tasksCancelled };
}

/** The database that last renewed the lease is no copy. */
async function refuseOriginal(runtime: Runtime): Promise<void> {
  const { pool } = runtime.database;
  const row = await readInstallation(pool);
  const seen = await readLease(runtime, row);
  if (
    seen?.lease &&
    row.issued.includes(seen.lease.nonce) &&
    seen.lease.holder === (await readHolder(pool))
  )
    throw new RestoreRefused(
      `DATABASE_URL names the database that holds the lease of installation ${row.installation}: ` +
        'it is the original, not a copy. Nothing was changed.',
    );
}
