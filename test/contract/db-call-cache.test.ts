/** Entries, hits and flights. */
import type { StoredInput } from '../../core/cache/stored-input.ts';
import { describe, expect, test } from 'vitest';
import { acceptAll } from '../accept.ts';
import { findEntries, findListed } from '../../db/cache-lookups.ts';
import {
  addHits,
  invalidateEntry,
  lookupKey,
  readEntryOf,
  readEntryOutputs,
  saveEntries,
} from '../../db/call-cache.ts';
import {
  readFingerprints,
  readTaskFingerprint,
  saveFingerprints,
} from '../../db/cache-fingerprints.ts';
import { boardFlights, landFlights, readLostFlights } from '../../db/cache-flights.ts';
import { inTransaction } from '../../db/client.ts';
import { moveTasks, noteWaiting } from '../../db/tasks.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { database, rows } from './db-world.ts';

describe('the call cache', () => {
  const fingerprint = Buffer.alloc(32, 7);
  const other = Buffer.alloc(32, 8);
  const entry = (taskId: number, print = fingerprint) => ({
    domain: 'me',
    fingerprint: print,
    listedFingerprint: Buffer.alloc(32, 9),
    taskId,
    owner: 'me',
    name: 'align',
    runMs: 60_000,
    warnings: [],
    outputs: [
      {
        output: 0,
        path: '',
        url: 's3://b/ü',
        sizeBytes: 5,
        crc64nvme: 'x',
        etag: 'e',
        versionId: null,
      },
      {
        output: 1,
        path: 'a/b',
        url: 's3://b/c',
        sizeBytes: 6,
        crc64nvme: 'y',
        etag: '',
        versionId: 'v',
      },
    ],
  });
  const lookup = { domain: 'me', fingerprint };

  test('an entry that replaces others makes the older ones of its call unusable, and no newer or other one', async () => {
    const replacing = { ...entry(4), replaces: 'It ran again.' };
    const lessKnown = entry(3, other);
    const elsewhere = { ...entry(1), domain: 'you' };
    const otherCall = { ...entry(5, other), listedFingerprint: Buffer.alloc(32, 10) };
    await saveEntries(database, [elsewhere, entry(2), lessKnown, otherCall], 100);
    await saveEntries(database, [replacing], 200);
    await saveEntries(database, [entry(6)], 300);
    await saveEntries(database, [replacing], 400);
    const stored = await rows(
      'SELECT task_id AS task, usable, invalid_reason AS why FROM cache_entries ORDER BY task_id',
    );
    expect(stored.map(({ task, usable }) => [task, usable])).toEqual([
      [1, 1],
      [2, 0],
      [3, 0],
      [4, 1],
      [5, 1],
      [6, 1],
    ]);
    expect(stored[1]?.['why']).toBe('It ran again.');
  });

  test('the call cache finds the newest valid entry of a domain, with all of its outputs', async () => {
    await saveEntries(database, [entry(1), entry(2), entry(3, other)], 100);
    await saveEntries(database, [entry(2)], 200);
    const [first, second] = await rows('SELECT id FROM cache_entries ORDER BY id');
    const [firstId, secondId] = [Number(first?.['id']), Number(second?.['id'])];
    expect(await findEntries(database.pool, [lookup])).toEqual(
      new Map([[lookupKey(lookup), { id: secondId, taskId: 2, createdMs: 100 }]]),
    );
    expect(
      (await findEntries(database.pool, [{ ...lookup, domain: 'you' }])).has(
        lookupKey({ ...lookup, domain: 'you' }),
      ),
    ).toBe(false);
    await invalidateEntry(database, secondId, 'gone');
    await invalidateEntry(database, secondId, 'another reason');
    expect((await findEntries(database.pool, [lookup])).get(lookupKey(lookup))?.id).toBe(firstId);
    expect(await readEntryOf(database, lookup)).toMatchObject({
      id: secondId,
      invalidReason: 'gone',
    });
    const inputs: StoredInput[] = [['inputs[/a]', 'FILE x', 1, 2, 0]];
    const made = { fingerprint, base: other, listedFingerprint: other, inputs };
    await saveFingerprints(database.pool, [made], 100);
    expect(await readFingerprints(database.pool, [fingerprint])).toEqual(
      new Map([[fingerprint.toString('hex'), made]]),
    );
    expect(await readTaskFingerprint(database.pool, 0)).toBeUndefined();
    expect((await readEntryOutputs(database, [firstId])).get(firstId)).toMatchObject(
      entry(1).outputs,
    );
    const listed = { domain: 'me', fingerprint: Buffer.alloc(32, 9) };
    expect(await findListed(database.pool, [listed])).toEqual(new Set([lookupKey(listed)]));
    await addHits(database.pool, [firstId, firstId, secondId], 300);
    expect(await rows('SELECT hits, last_hit_ms FROM cache_entries ORDER BY id')).toEqual([
      { hits: 2, last_hit_ms: 300 },
      { hits: 1, last_hit_ms: 300 },
      { hits: 0, last_hit_ms: null },
    ]);
  });

  test('a fingerprint has one leader per domain, and never a task that writes no entry', async () => {
    const asked = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        boardFlights(
          database.pool,
          [
            { ...lookup, taskId: at + 1, writes: at !== 0 },
            { fingerprint: other, domain: 'me', taskId: at + 1, writes: false },
          ],
          1,
        ),
      ),
    );
    const leaders = new Set(asked.slice(1).map((one) => one.get(lookupKey(lookup))));
    expect(leaders.size).toBe(1);
    expect(leaders.has(1)).toBe(false);
    expect(asked.some((one) => one.has(lookupKey({ fingerprint: other, domain: 'me' })))).toBe(
      false,
    );
    expect(
      (
        await boardFlights(
          database.pool,
          [{ fingerprint, domain: 'you', taskId: 99, writes: true }],
          1,
        )
      ).get(lookupKey({ fingerprint, domain: 'you' })),
    ).toBe(99);
  });

  test('a flight lands once, and returns the tasks that waited for it', async () => {
    const {
      taskIds: [a = 0, b = 0, c = 0],
    } = await acceptAll(database, {
      owner: 'me',
      tasks: manyTasks(3, (at) => newTask(`t${at}`)),
      nowMs: 1,
      dueMs: 2,
    });
    await boardFlights(database.pool, [{ ...lookup, taskId: a, writes: true }], 1);
    await noteWaiting(
      database.pool,
      [b, c].map((id) => ({ id, leaderId: a })),
    );
    await moveTasks(database.pool, 'miss', [a], { nowMs: 3, dueMs: null });
    expect(await readLostFlights(database.pool, 10)).toEqual([]);
    await inTransaction(database, (open) =>
      moveTasks(open, 'cancel', [a], { nowMs: 4, dueMs: null }),
    );
    expect(await readLostFlights(database.pool, 10)).toEqual([a]);
    expect((await landFlights(database.pool, [a])).toSorted()).toEqual([b, c]);
    expect(await landFlights(database.pool, [a])).toEqual([]);
  });
});
