/** Finds entries by fingerprint: what a lookup costs does not depend on how many entries there are. */
import { lookupKey, type CacheLookup } from './call-cache.ts';
import type { Session } from './client.ts';
import { select } from './rows.ts';

export interface FoundEntry {
  id: number;
  /** The task that wrote it. */
  taskId: number;
  createdMs: number;
}

/**
 * One row per lookup, each found at the end of its stretch of the index. A join or GROUP BY reads all entries of a
 * fingerprint instead (20,000 cost 500 ms).
 */
const WANTED = `JSON_TABLE(?, '$[*]' COLUMNS (at FOR ORDINALITY,
  fingerprint CHAR(64) PATH '$[0]', domain VARCHAR(64) PATH '$[1]')) AS wanted`;

const asRows = (lookups: readonly CacheLookup[]): string =>
  JSON.stringify(lookups.map(({ fingerprint, domain }) => [fingerprint.toString('hex'), domain]));

const distinct = (lookups: readonly CacheLookup[]): CacheLookup[] => [
  ...new Map(lookups.map((one) => [lookupKey(one), one])).values(),
];

/**
 * The newest usable entry of each fingerprint, by `lookupKey`. With `prefixes`, the newest one all of whose outputs are
 * below one of these URLs.
 */
export async function findEntries(
  session: Session,
  lookups: readonly CacheLookup[],
  prefixes: readonly string[] = [],
): Promise<Map<string, FoundEntry>> {
  if (lookups.length === 0) return new Map();
  const wanted = distinct(lookups);
  const below = prefixes.map(() => 'cache_outputs.url LIKE ?').join(' OR ');
  const inside =
    prefixes.length === 0
      ? ''
      : `AND NOT EXISTS (SELECT 1 FROM cache_outputs
          WHERE cache_outputs.entry_id = cache_entries.id AND NOT (${below}))`;
  const rows = await select<FoundEntry & { at: number }>(
    session,
    `SELECT newest.at, cache_entries.id, cache_entries.task_id AS taskId, cache_entries.created_ms AS createdMs FROM
      (SELECT wanted.at, (SELECT id FROM cache_entries WHERE usable = TRUE
          AND fingerprint = UNHEX(wanted.fingerprint) AND domain = wanted.domain ${inside}
         ORDER BY usable DESC, fingerprint DESC, domain DESC, id DESC LIMIT 1) AS id FROM ${WANTED}) AS newest
      JOIN cache_entries ON cache_entries.id = newest.id`,
    [...prefixes.map(startsWith), asRows(wanted)],
  );
  return new Map(
    rows.flatMap(({ at, ...entry }) => {
      const lookup = wanted[at - 1];
      return lookup ? [[lookupKey(lookup), entry] as const] : [];
    }),
  );
}

/** A pattern of LIKE. */
const startsWith = (prefix: string): string => `${prefix.replaceAll(/[\\%_]/g, '\\$&')}%`;

/** Of these fingerprints by listings alone, those that a usable entry has; by `lookupKey`. */
export async function findListed(
  session: Session,
  lookups: readonly CacheLookup[],
): Promise<Set<string>> {
  if (lookups.length === 0) return new Set();
  const wanted = distinct(lookups);
  const rows = await select<{ at: number }>(
    session,
    `SELECT wanted.at FROM ${WANTED} WHERE EXISTS (SELECT 1 FROM cache_entries WHERE usable = TRUE
       AND listed_fingerprint = UNHEX(wanted.fingerprint) AND domain = wanted.domain)`,
    [asRows(wanted)],
  );
  return new Set(rows.flatMap(({ at }) => wanted[at - 1] ?? []).map(lookupKey));
}
