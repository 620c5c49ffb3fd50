/** What a lookup in the call cache costs: rows that the server reads, however many entries there are. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256 } from '../../core/ids.ts';
import { findEntries, findListed } from '../../db/cache-lookups.ts';
import { lookupKey, readEntryOf } from '../../db/call-cache.ts';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { select } from '../../db/rows.ts';
import { freshDatabase } from '../world.ts';

const EQUAL = 5000;
const FEW = 500;
const DOMAIN = 'lab';
const prints = Array.from({ length: FEW }, (_, at) => sha256(`x${at + 1}`));
const lookups = prints.map((fingerprint) => ({ domain: DOMAIN, fingerprint }));
const listings = lookups.map((_, at) => ({ domain: DOMAIN, fingerprint: sha256(`l${at + 1}`) }));
const [popular = { domain: '', fingerprint: Buffer.alloc(0) }] = lookups;

let database: Database;
beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  // One connection, so that its counters are those of the lookup.
  database = openDatabase({ url, connections: 1 });
  const insert = (values: string, count: number) =>
    database.pool.query(
      `INSERT INTO cache_entries (domain, fingerprint, listed_fingerprint, task_id, created_ms, usable)
        SELECT '${DOMAIN}', ${values} FROM JSON_TABLE(?, '$[*]' COLUMNS (seq INT PATH '$')) numbers`,
      [JSON.stringify(Array.from({ length: count }, (_, at) => at + 1))],
    );
  await insert(
    "UNHEX(SHA2(CONCAT('x', seq), 256)), UNHEX(SHA2(CONCAT('l', seq), 256)), seq, seq, TRUE",
    FEW,
  );
  await insert(
    `UNHEX(SHA2('x1', 256)), UNHEX(SHA2('l1', 256)), 1000 + seq, 1000 + seq, seq <= ${EQUAL}`,
    EQUAL * 2,
  );
  await database.pool.query('ANALYZE TABLE cache_entries');
});
afterAll(() => database.close());

async function rowsRead(): Promise<number> {
  const rows = await select<{ Value: string }>(
    database.pool,
    "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' AND Variable_name NOT LIKE '%rnd%'",
  );
  return rows.reduce((sum, row) => sum + Number(row.Value), 0);
}

async function costOf<T>(look: () => Promise<T>): Promise<{ found: T; read: number }> {
  const before = await rowsRead();
  const found = await look();
  return { found, read: (await rowsRead()) - before };
}

test('a lookup reads a few rows, although its fingerprint has 5,000 usable entries and 5,000 that are not', async () => {
  const { found, read } = await costOf(() => findEntries(database.pool, [popular]));
  expect(found.get(lookupKey(popular))).toMatchObject({ createdMs: 1000 + EQUAL });
  expect(read).toBeLessThan(10);
});

test('equal tasks of a chunk are one lookup', async () => {
  const equal = Array.from({ length: FEW }, () => popular);
  const { found, read } = await costOf(() => findEntries(database.pool, equal));
  expect(found.size).toBe(1);
  expect(read).toBeLessThan(10);
});

test('a lookup of a chunk reads a few rows for each of its fingerprints', async () => {
  const { found, read } = await costOf(() => findEntries(database.pool, lookups));
  expect(found.size).toBe(FEW);
  expect(found.get(lookupKey(lookups[7] ?? popular))).toMatchObject({ createdMs: 8 });
  expect(read).toBeLessThan(FEW * 4);
});

test('a lookup of what is not there reads a row for each fingerprint', async () => {
  const strangers = lookups.map(({ fingerprint }) => ({ domain: 'other', fingerprint }));
  const { found, read } = await costOf(() => findEntries(database.pool, strangers));
  expect(found.size).toBe(0);
  expect(read).toBeLessThan(FEW * 3);
});

test('a lookup by listings reads a few rows for each fingerprint', async () => {
  const { found, read } = await costOf(() => findListed(database.pool, listings));
  expect(found.size).toBe(FEW);
  expect(read).toBeLessThan(FEW * 4);
});

test('the newest entry of a fingerprint, usable or not, is found in a few rows', async () => {
  const { found, read } = await costOf(() => readEntryOf(database, popular));
  expect(found?.taskId).toBe(1000 + EQUAL * 2);
  expect(read).toBeLessThan(10);
});

test('a lookup with prefixes finds the newest entry whose outputs are all below one of them', async () => {
  const rows = await select<{ id: number }>(
    database.pool,
    'SELECT id FROM cache_entries WHERE usable = TRUE AND fingerprint = ? ORDER BY id DESC LIMIT 3',
    [popular.fingerprint],
  );
  const [newest = 0, middle = 0, oldest = 0] = rows.map(({ id }) => id);
  const output = (entryId: number, position: number, url: string) =>
    database.pool.query(
      "INSERT INTO cache_outputs (entry_id, position, output, path, url, size_bytes, crc64nvme, etag) VALUES (?, ?, 0, '', ?, 1, '', '')",
      [entryId, position, url],
    );
  await output(newest, 0, 's3://lab/prod/a');
  await output(newest, 1, 's3://lab/scratch/b');
  await output(middle, 0, 's3://lab/produce/a');
  await output(oldest, 0, 's3://lab/prod/a');
  const within = async (...prefixes: string[]) =>
    (await findEntries(database.pool, [popular], prefixes)).get(lookupKey(popular))?.id;
  expect(await within('s3://lab/prod/')).toBe(oldest);
  expect(await within('s3://lab/prod/', 's3://lab/scratch/')).toBe(newest);
  expect(await within('s3://lab/prod_/')).not.toBe(middle);
});
