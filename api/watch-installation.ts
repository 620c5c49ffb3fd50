/** The API stops with its fleet: a copy of a database must not answer for the original. */
import { LeaseLost } from '../core/installation/lease.ts';
import type { Database } from '../db/client.ts';
import { readInstallation } from '../db/installation.ts';

export interface InstallationWatch {
  /** Resolves when the fleet was stopped. */
  lost: Promise<LeaseLost>;
  close(): void;
}

/**
 * The workers hold the lease, and note in the database when they lose it.
 * @throws LeaseLost when the fleet was stopped before
 */
export async function watchInstallation(
  { pool }: Database,
  { leaseMs }: { leaseMs: number },
): Promise<InstallationWatch> {
  const { promise: lost, resolve: lose } = Promise.withResolvers<LeaseLost>();
  const look = async (): Promise<LeaseLost | undefined> => {
    const { stopReason } = await readInstallation(pool);
    return stopReason === null ? undefined : new LeaseLost(stopReason);
  };
  // While MySQL is away, nothing is known of it.
  const found = await look().catch(() => undefined);
  if (found) throw found;
  const timer = setInterval(() => {
    look().then(
      (reason) => reason && lose(reason),
      () => undefined,
    );
  }, leaseMs).unref();
  return { lost, close: () => clearInterval(timer) };
}
