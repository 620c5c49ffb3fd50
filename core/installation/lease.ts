/**
 * Which database may act for an installation. Its id and epoch are in the database and in a lease
 * object of the work bucket. Each renewal writes a number drawn at random into both, so that a copy
 * of the database soon knows none of the lease's numbers, and stops.
 */
import { isProof, proofOf } from '../submission/proof.ts';

/** The lease object. */
export interface Lease {
  installation: string;
  epoch: number;
  /** The count of renewals by its database. */
  renewals: number;
  /** Drawn for this renewal: 32 hex digits. */
  nonce: string;
  /** The database that renewed it: see `readHolder` in db/installation.ts. */
  holder: string;
}

/** What the database knows. */
export interface LeaseFacts {
  /** 16 hex digits. */
  installation: string;
  epoch: number;
  /** Where its lease is: `s3://bucket/prefix`. Null before the first renewal. */
  workUrl: string | null;
  /** The nonces of the latest renewals: one of them is in the object. */
  issued: readonly string[];
  renewals: number;
}

export type LeaseDecision =
  | { do: 'renew' }
  /**
   * Another server holds the same database: after a failover, or as a copy. The database that does
   * not know the lease's next nonce is the copy.
   */
  | { do: 'watch' }
  /** `process`: only this one, whose settings differ. */
  | { do: 'stop'; who: 'process' | 'fleet'; reason: string };

/** The fleet must not act: the message says why, and what to do. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

/** A renewal that takes longer than these together may be taken for another's. */
export const KEPT_NONCES = 32;

const REMEDY =
  'If this database is the one to go on with, stop the other fleet and run: batchwell restore. ' +
  'If it is a copy, make it an installation of its own: batchwell restore --copy.';

/** @param lease undefined where there is none, and where it carries no proof */
export function decideLease(
  known: LeaseFacts,
  lease: Lease | undefined,
  { workUrl, holder }: { workUrl: string; holder: string },
): LeaseDecision {
  if (known.workUrl !== null && known.workUrl !== workUrl)
    return stop(
      'process',
      `This database belongs to the fleet whose work bucket is ${known.workUrl}, ` +
        `but BATCHWELL_BUCKET names ${workUrl}. ${REMEDY}`,
    );
  if (!lease || isOld(known, lease)) return { do: 'renew' };
  if (lease.epoch > known.epoch)
    return stop(
      'fleet',
      `The work bucket ${workUrl} is in epoch ${lease.epoch} of installation ` +
        `${known.installation}, and this database in epoch ${known.epoch}: ` +
        `another copy of it was restored. ${REMEDY}`,
    );
  if (!known.issued.includes(lease.nonce))
    return stop(
      'fleet',
      `Another database acts for installation ${known.installation} in the work bucket ` +
        `${workUrl}: this one is a copy of it, or was restored from a backup. ${REMEDY}`,
    );
  return lease.holder === holder ? { do: 'renew' } : { do: 'watch' };
}

/** Somebody wrote an earlier lease again, or a restored database has not written its own yet. */
const isOld = ({ epoch, issued, renewals }: LeaseFacts, lease: Lease): boolean =>
  lease.epoch < epoch ||
  (lease.epoch === epoch &&
    lease.renewals <= renewals - KEPT_NONCES &&
    !issued.includes(lease.nonce));

const stop = (who: 'process' | 'fleet', reason: string): LeaseDecision => ({
  do: 'stop',
  who,
  reason,
});

const proofFor = (secret: Buffer, json: string): Buffer => proofOf(secret, 'lease', [], json);

/** Two lines: the lease, and its proof. @param secret of the installation */
export function formatLease(secret: Buffer, lease: Lease): string {
  const json = JSON.stringify(lease);
  return `${json}\n${proofFor(secret, json).toString('base64url')}\n`;
}

/** Longer objects are no leases. */
export const LONGEST_LEASE_BYTES = 8192;

/** Undefined when the fleet did not write it. */
export function parseLease(secret: Buffer, content: string): Lease | undefined {
  const [json = '', proof = ''] = content.split('\n');
  if (!isProof(Buffer.from(proof, 'base64url'), proofFor(secret, json))) return undefined;
  // Proven: it has the form that formatLease gave it.
  return JSON.parse(json) as Lease;
}
