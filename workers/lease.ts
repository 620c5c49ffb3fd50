/** Renews the lease of the installation, and stops the process once another database holds it. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { leaseKey } from '../core/files/s3-layout.ts';
import {
  decideLease,
  formatLease,
  KEPT_NONCES,
  LeaseLost,
  LONGEST_LEASE_BYTES,
  parseLease,
  type Lease,
  type LeaseDecision,
} from '../core/installation/lease.ts';
import {
  issueNonce,
  noteRenewed,
  readHolder,
  readInstallation,
  stopInstallation,
  type InstallationRow,
} from '../db/installation.ts';
import type { Runtime } from './runtime.ts';
import { startLoop, type Loop } from './upkeep/loop.ts';

/** What a look at the lease needs and finds; each process has its own. */
interface Watched {
  /** The nonce of a lease that another server renewed, and since when it has not changed. */
  nonce: string;
  sinceMs: number;
}

export interface LeaseKeeper {
  /** One look: renews the lease when that is due. @throws LeaseLost */
  round(options: { atStart: boolean }): Promise<'held' | 'waiting'>;
}

/** Renewals without an answer from another holder until its lease is taken over. */
const PATIENCE_ROUNDS = 3;

export function createLeaseKeeper(runtime: Runtime): LeaseKeeper {
  let watched: Watched | undefined;

  const isAbandoned = (lease: Lease | undefined): boolean => {
    // The process's own clock, which nothing sets.
    const nowMs = performance.now();
    if (!watched || watched.nonce !== lease?.nonce)
      watched = { nonce: lease?.nonce ?? '', sinceMs: nowMs };
    return nowMs - watched.sinceMs >= PATIENCE_ROUNDS * runtime.config.leaseMs;
  };

  return {
    async round({ atStart }) {
      const row = await readActing(runtime);
      const isDue = isRenewalDue(runtime, row);
      if (!atStart && !isDue) return 'held';
      const seen = await readLease(runtime, row);
      const holder = await readHolder(runtime.database.pool);
      const decision = decideLease(row, seen?.lease, { workUrl: workUrlOf(runtime), holder });
      if (decision.do === 'stop') return stop(runtime, row, decision);
      if (decision.do === 'watch' && !isAbandoned(seen?.lease)) return atStart ? 'waiting' : 'held';
      if (isDue || !seen?.lease) await renew(runtime, row, { seen, holder });
      return 'held';
    },
  };
}

/** A time in the future is as good as none. */
function isRenewalDue({ config, nowMs }: Runtime, { renewedMs }: InstallationRow): boolean {
  const ageMs = nowMs() - renewedMs;
  return ageMs < 0 || ageMs >= config.leaseMs;
}

/** @throws LeaseLost when the fleet was stopped */
async function readActing({ database, installation }: Runtime): Promise<InstallationRow> {
  const row = await readInstallation(database.pool);
  if (row.stopReason !== null) throw new LeaseLost(row.stopReason);
  if (row.installation !== installation)
    throw new LeaseLost('This database became another installation. Start the fleet again.');
  return row;
}

export const workUrlOf = ({ config }: Runtime): string =>
  `s3://${config.bucket}/${config.bucketPrefix}`;

export interface SeenLease {
  /** Undefined when the object carries no proof: it is to be replaced. */
  lease: Lease | undefined;
  etag: string;
}

const leaseUrl = (runtime: Runtime): string => runtime.workUrl(leaseKey(runtime.installation));

/** Undefined when there is none. */
export async function readLease(
  runtime: Runtime,
  { secret }: Pick<InstallationRow, 'secret'>,
): Promise<SeenLease | undefined> {
  const url = leaseUrl(runtime);
  const found = await runtime.objects.read(url, { mostBytes: LONGEST_LEASE_BYTES });
  if (!found) return undefined;
  const lease = parseLease(secret, found.body.toString('utf8'));
  if (!lease) {
    runtime.metrics.unprovenObjects.inc({ kind: 'lease' });
    runtime.log.error({ url }, 'unproven-object');
  }
  return { lease, etag: found.etag };
}

/** Another process may have renewed it since the row was read: then nothing is decided. */
async function stop(
  runtime: Runtime,
  row: InstallationRow,
  { who, reason }: Extract<LeaseDecision, { do: 'stop' }>,
): Promise<'waiting'> {
  if (who === 'process' || (await stopInstallation(runtime.database.pool, row, reason)))
    throw new LeaseLost(reason);
  return 'waiting';
}

/**
 * One that was committed and has not reached the bucket is written first: while S3 refuses writes,
 * no number of renewals makes the database forget the nonce that is there.
 */
function nextNonce({ issued }: InstallationRow, seen: SeenLease | undefined): string {
  const last = issued.at(-1);
  return last !== undefined && last !== seen?.lease?.nonce ? last : randomBytes(16).toString('hex');
}

async function renew(
  runtime: Runtime,
  row: InstallationRow,
  { seen, holder }: { seen: SeenLease | undefined; holder: string },
): Promise<void> {
  const nonce = nextNonce(row, seen);
  const issued = await issueNonce(runtime.database.pool, row, {
    nonces: [...row.issued.filter((one) => one !== nonce), nonce].slice(-KEPT_NONCES),
    workUrl: workUrlOf(runtime),
  });
  // Otherwise another process renews it.
  if (!issued) return;
  const lease = { epoch: row.epoch, renewals: row.renewals + 1, nonce, holder };
  if (await writeLease(runtime, row, { lease, seen }))
    await noteRenewed(runtime.database.pool, runtime.nowMs());
}

/** False when another object is there by now. */
export async function writeLease(
  runtime: Runtime,
  { secret }: Pick<InstallationRow, 'secret'>,
  { lease, seen }: { lease: Omit<Lease, 'installation'>; seen: SeenLease | undefined },
): Promise<boolean> {
  const url = leaseUrl(runtime);
  const content = formatLease(secret, { installation: runtime.installation, ...lease });
  const condition = seen ? { ifEtag: seen.etag } : { ifAbsent: true };
  if ((await runtime.objects.put(url, content, condition)) === 'written') return true;
  const now = await readLease(runtime, { secret });
  if (now?.lease?.nonce === lease.nonce) return true;
  if (!seen?.lease || now?.lease?.nonce !== seen.lease.nonce) return false;
  // The same lease as before: this S3 shows ETags that it does not compare.
  await runtime.objects.put(url, content);
  return true;
}

const START_PAUSE_MS = 500;
const START_PATIENCE_MS = 60_000;

/**
 * Waits until this process may act.
 * @throws LeaseLost when another database holds the lease; S3's error when S3 does not answer
 */
export async function holdLease(
  runtime: Runtime,
  keeper: LeaseKeeper,
  stopping?: AbortSignal,
): Promise<void> {
  const endMs = performance.now() + START_PATIENCE_MS + PATIENCE_ROUNDS * runtime.config.leaseMs;
  let isWaiting = false;
  for (;;) {
    try {
      if ((await keeper.round({ atStart: true })) === 'held') return;
      if (!isWaiting) runtime.log.warn({}, 'lease-awaited');
      isWaiting = true;
    } catch (error) {
      if (error instanceof LeaseLost || performance.now() > endMs) throw error;
      runtime.log.warn({ err: error }, 'lease-not-read');
    }
    await sleep(START_PAUSE_MS, undefined, { ...(stopping && { signal: stopping }) });
  }
}

/** @param onLost called once, with the reason */
export function startLeaseLoop(
  runtime: Runtime,
  keeper: LeaseKeeper,
  onLost: (reason: LeaseLost) => void,
): Loop {
  let lost = false;
  return startLoop(runtime, { name: 'lease', pauseMs: runtime.config.leaseMs }, async () => {
    if (lost) return 'pause';
    try {
      await keeper.round({ atStart: false });
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      lost = true;
      runtime.log.fatal({ reason: error.message }, 'lease-lost');
      onLost(error);
    }
    return 'pause';
  });
}
