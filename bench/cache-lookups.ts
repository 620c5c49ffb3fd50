/** Lookups in a large call cache, with and without its pruning, and how long statements wait for locks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../core/ids.ts';
import { findEntries } from '../db/cache-lookups.ts';
import { addHits, saveEntries } from '../db/call-cache.ts';
import { openDatabase, type Database } from '../db/client.ts';
import { select, selectFirst } from '../db/rows.ts';
import { spreadOf, type Spread } from './meters.ts';
import type { Row } from './report.ts';
import type { World } from './world.ts';

/** Fingerprints of one statement: a chunk of tasks. */
const CHUNK = 500;
const WRITTEN_PER_ROUND = 50;
/** A tenth of the entries is old. */
const OLD_SHARE = 0.1;
const ROWS_PER_FILL = 100_000;
const DAY_MS = 24 * 3_600_000;
const DOMAIN = 'bench-lookups';

const fingerprintOf = (at: number): Buffer => sha256(`lookup ${at}`);

/**
 * Entries with one output each. A tenth was last used a year ago; another tenth was found unusable a year ago, as if it
 * had been retired then.
 */
async function fill({ pool }: World, entries: number): Promise<void> {
  const oldMs = Date.now() - 365 * DAY_MS;
  const old = Math.ceil(entries * OLD_SHARE);
  for (let from = 1; from <= entries + old; from += ROWS_PER_FILL) {
    const to = Math.min(entries + old, from + ROWS_PER_FILL - 1);
    await pool.query(
      `INSERT INTO cache_entries (domain, fingerprint, listed_fingerprint, task_id, usable, invalid_ms, created_ms)
       SELECT ?, UNHEX(SHA2(CONCAT('lookup ', seq), 256)), UNHEX(SHA2(CONCAT('listed ', seq), 256)),
         ? + seq, seq > ?, IF(seq > ?, NULL, ?), IF(seq > ?, ?, ?) FROM seq_${from}_to_${to}`,
      [DOMAIN, FIRST_TASK, old, old, oldMs, old * 2, Date.now(), oldMs],
    );
    await pool.query(
      `INSERT INTO cache_outputs (entry_id, position, output, path, url, size_bytes, crc64nvme, etag)
       SELECT id, 0, 0, '', CONCAT('s3://lab-results/run/', task_id, '/out.bam'), 12345, 'wUU2gGmYNtE=', MD5(id)
       FROM cache_entries WHERE task_id BETWEEN ? AND ?`,
      [FIRST_TASK + from, FIRST_TASK + to],
    );
  }
  await pool.query('ANALYZE TABLE cache_entries, cache_outputs');
}

/** Above the ids of all other tasks. */
const FIRST_TASK = 2 ** 40;

interface Rounds {
  lookups: Spread;
  writes: Spread;
}

/** Looks chunks up, and writes entries and hits beside them as a fleet does, while `on` holds. */
async function measure(
  database: Database,
  entries: number,
  on: (rounds: number) => boolean | Promise<boolean>,
): Promise<Rounds> {
  const [lookups, writes]: [number[], number[]] = [[], []];
  const old = Math.ceil(entries * OLD_SHARE) * 2;
  for (let round = 0; await on(round); round += 1) {
    const wanted = Array.from({ length: Math.min(CHUNK, entries) }, () => ({
      domain: DOMAIN,
      fingerprint: fingerprintOf(old + Math.ceil(Math.random() * (entries - old))),
    }));
    const startedMs = performance.now();
    const found = await findEntries(database.pool, wanted);
    const foundMs = performance.now();
    lookups.push(foundMs - startedMs);
    const written = Array.from({ length: WRITTEN_PER_ROUND }, () => (taskId += 1));
    await saveEntries(database, written.map(newEntry), Date.now());
    await addHits(
      database.pool,
      [...found.values()].slice(0, WRITTEN_PER_ROUND).map(({ id }) => id),
      Date.now(),
    );
    writes.push(performance.now() - foundMs);
  }
  return { lookups: spreadOf(lookups), writes: spreadOf(writes) };
}

let taskId = FIRST_TASK * 2;

const newEntry = (task: number) => ({
  domain: DOMAIN,
  fingerprint: fingerprintOf(task),
  listedFingerprint: fingerprintOf(-task),
  taskId: task,
  owner: 'bench',
  name: 'bench',
  runMs: 1000,
  warnings: [],
  outputs: [
    {
      output: 0,
      path: '',
      url: `s3://lab-results/run/${task}/out.bam`,
      sizeBytes: 12_345,
      crc64nvme: 'wUU2gGmYNtE=',
      etag: '',
      versionId: null,
    },
  ],
});

interface LockWaits {
  waits: number;
  /** Of all statements since the server's start. */
  longestMs: number;
}

async function readLockWaits({ pool }: World): Promise<LockWaits> {
  const rows = await select<{ Variable_name: string; Value: string }>(
    pool,
    "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_%'",
  );
  const status = new Map(rows.map((row) => [row.Variable_name, Number(row.Value)]));
  return {
    waits: status.get('Innodb_row_lock_waits') ?? 0,
    longestMs: status.get('Innodb_row_lock_time_max') ?? 0,
  };
}

async function countOld({ pool }: World): Promise<number> {
  const row = await selectFirst<{ count: number }>(
    pool,
    `SELECT COUNT(*) AS count FROM cache_entries WHERE task_id > ? AND created_ms < ?
       AND (usable = TRUE OR invalid_ms < ?)`,
    [FIRST_TASK, Date.now() - 30 * DAY_MS, Date.now() - 30 * DAY_MS],
  );
  return row?.count ?? 0;
}

/** What a worker needs to prune at once: entries are old after 30 days without use. */
const PRUNING = {
  BATCHWELL_PRUNE_MS: '1000',
  BATCHWELL_KEEP_ENTRIES_MS: String(30 * DAY_MS),
  // The workers before have pruned in this hour.
  BATCHWELL_REDIS_PREFIX: 'bench-pruning',
};

const QUIET_ROUNDS = 200;
const LONGEST_PRUNING_MS = 240_000;

/** Both kinds of rounds in one row: ratios hold on any machine. */
export async function lookups(world: World, entries: number): Promise<Row> {
  const rounds = Math.min(QUIET_ROUNDS, Math.max(5, Math.ceil(entries / 1000)));
  const startedMs = performance.now();
  await fill(world, entries);
  const fillMs = performance.now() - startedMs;
  const database = openDatabase({ url: world.databaseUrl, connections: 4 });
  try {
    await measure(database, entries, (round) => round < rounds / 4);
    const quiet = await measure(database, entries, (round) => round < rounds);
    const locksBefore = await readLockWaits(world);
    const old = await countOld(world);
    await world.restartWorkers(1, { env: PRUNING });
    const pruneMs = performance.now();
    const under = await whilePruning(world, database, entries);
    const locks = await readLockWaits(world);
    return {
      entries,
      'filled s': fillMs / 1000,
      'lookup p50 ms': quiet.lookups.p50,
      'lookup p99 ms': quiet.lookups.p99,
      'lookups/s': (Math.min(CHUNK, entries) / quiet.lookups.p50) * 1000,
      'write p99 ms': quiet.writes.p99,
      'old entries': old,
      'pruned s': (performance.now() - pruneMs) / 1000,
      'lookup p50 ms, pruning': under.lookups.p50,
      'lookup p99 ms, pruning': under.lookups.p99,
      'lookup p99, pruning / quiet': under.lookups.p99 / quiet.lookups.p99,
      'write p99 ms, pruning': under.writes.p99,
      'lock waits, pruning': locks.waits - locksBefore.waits,
      // The server's longest, in which the filling may have a part.
      'longest lock wait ms': locks.waits === locksBefore.waits ? 0 : locks.longestMs,
      'old entries left': await countOld(world),
    };
  } finally {
    await database.close();
  }
}

/** A look at what is left costs as much as many lookups, so it is a rare one and beside them. */
async function whilePruning(world: World, database: Database, entries: number): Promise<Rounds> {
  let left = Number.POSITIVE_INFINITY;
  const deadlineMs = performance.now() + LONGEST_PRUNING_MS;
  const watching = (async () => {
    while (left > 0 && performance.now() < deadlineMs) {
      await sleep(Math.min(5000, 50 + entries / 100));
      left = await countOld(world);
    }
  })();
  const rounds = await measure(
    database,
    entries,
    (round) => (left > 0 && performance.now() < deadlineMs) || round < 5,
  );
  await watching;
  return rounds;
}
