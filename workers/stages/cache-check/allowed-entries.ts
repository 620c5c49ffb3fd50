/** Finds the entries that tasks may use: of the same call, young enough, and where the fleet allows hits from. */
import type { TaskComponents } from '../../../aws/fingerprints.ts';
import type { Config } from '../../../config.ts';
import { fingerprintOf } from '../../../core/cache/fingerprint.ts';
import { isTooOld, maxAgeOf, type Refusal } from '../../../core/cache/policy.ts';
import { readsCache, writesCache, type TaskSpec } from '../../../core/task/task.ts';
import { findEntries, type FoundEntry } from '../../../db/cache-lookups.ts';
import { lookupKey } from '../../../db/call-cache.ts';
import type { Flight } from '../../../db/cache-flights.ts';
import type { TaskRow } from '../../../db/tasks.ts';
import type { Runtime } from '../../runtime.ts';

interface WantedEntry extends Flight {
  /** Its fingerprint by listings alone, where that is another one. */
  listed: Buffer | undefined;
  /** Undefined for any age. */
  maxAgeMs: number | undefined;
}

interface Asking {
  row: Pick<TaskRow, 'id' | 'cache'>;
  /** In which it is looked up; see core/cache/sharing.ts. */
  domain: string;
  fingerprint?: Buffer;
  /** Without it, an entry by listings alone is not looked for. */
  described?: TaskComponents | undefined;
  call?: { spec: TaskSpec };
}

/** Nothing of a task that cannot have one. */
export function wantedEntry(
  { row, domain, fingerprint, described, call }: Asking,
  config: Config,
): WantedEntry[] {
  if (!fingerprint || !call || !readsCache(row.cache)) return [];
  const listed = described?.listed && fingerprintOf(described.listed);
  return [
    {
      taskId: row.id,
      domain,
      fingerprint,
      writes: writesCache(row.cache),
      listed: listed?.equals(fingerprint) === true ? undefined : listed,
      maxAgeMs: maxAgeOf(call.spec, config),
    },
  ];
}

/** Of one task: an entry, or why the one that exists is refused; neither when there is none. */
export interface AllowedEntry {
  entry?: FoundEntry;
  refusal?: Refusal;
}

/** There is neither an entry, nor one that is refused. */
export const isEmpty = ({ entry, refusal }: AllowedEntry): boolean =>
  entry === undefined && refusal === undefined;

/**
 * By task. Entries that know their inputs by ETag only, because the run could not report what they hold, have the
 * fingerprint of a listing.
 */
export async function findAllowed(
  runtime: Runtime,
  wanted: readonly WantedEntry[],
): Promise<Map<number, AllowedEntry>> {
  const found = await findUnder(runtime, wanted);
  const byListing = wanted.flatMap(({ listed, ...one }) =>
    listed && found.get(one.taskId)?.entry === undefined ? [{ ...one, fingerprint: listed }] : [],
  );
  for (const [taskId, other] of await findUnder(runtime, byListing))
    if (other.entry ?? other.refusal) found.set(taskId, other);
  return found;
}

type Lookup = Omit<WantedEntry, 'listed'>;

async function findUnder(
  { database: { pool }, config: { cacheHitPrefixes }, nowMs }: Runtime,
  wanted: readonly Lookup[],
): Promise<Map<number, AllowedEntry>> {
  const entries = await findEntries(pool, wanted, cacheHitPrefixes);
  const without = wanted.filter((one) => !entries.has(lookupKey(one)));
  const elsewhere =
    cacheHitPrefixes.length === 0
      ? new Map<string, FoundEntry>()
      : await findEntries(pool, without);
  const now = nowMs();
  const judge = (one: Lookup): AllowedEntry => {
    const key = lookupKey(one);
    const entry = entries.get(key);
    if (entry === undefined) return elsewhere.has(key) ? { refusal: 'entry-elsewhere' } : {};
    const tooOld = isTooOld({ ...entry, nowMs: now, maxAgeMs: one.maxAgeMs });
    return tooOld ? { refusal: 'entry-too-old' } : { entry };
  };
  return new Map(wanted.map((one) => [one.taskId, judge(one)]));
}
