/**
 * Which database may act for an installation. Its id and epoch are in the database and in a lease
 * object of the work bucket. Each renewal writes a number drawn at random into both, so that a copy
 * of the database soon knows none of the lease's numbers, and stops.
 */

/** The lease object. */
export interface Lease {
  installation: string;
  epoch: number;
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
}

export type LeaseDecision =
  | { do: 'renew' }
  /**
   * Another server holds the same database: a failover, or a copy. Whoever of them does not know the
   * lease's next nonce is the copy.
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
  if (!lease) return { do: 'renew' };
  if (lease.epoch !== known.epoch)
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

const stop = (who: 'process' | 'fleet', reason: string): LeaseDecision => ({
  do: 'stop',
  who,
  reason,
});

export const formatLease = (lease: Lease): string => `${JSON.stringify(lease)}\n`;

/** @throws Error when the object is not a lease */
export function parseLease(content: string): Lease {
  const { installation, epoch, nonce, holder } = fieldsOf(content);
  if (
    typeof installation !== 'string' ||
    typeof epoch !== 'number' ||
    typeof nonce !== 'string' ||
    typeof holder !== 'string'
  )
    throw new Error('The lease object of the work bucket is not one that Batchwell wrote.');
  return { installation, epoch, nonce, holder };
}

function fieldsOf(content: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(content);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
