import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bucket, StoredObject } from '../s3/records.ts';
import { openStore, type Store } from '../s3/store.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'local-s3-store-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const COMPACT_ABOVE_BYTES = 20_000;

function objectOf(key: string, buffer: Buffer): StoredObject {
  return {
    key,
    bytes: buffer.length,
    etag: 'e',
    modifiedAtMs: 1,
    headers: {},
    body: { at: 'memory', buffer },
  };
}
function bucketOf(store: Store): Bucket {
  const bucket = store.buckets.get('b');
  if (bucket === undefined) throw new Error('the bucket is gone');
  return bucket;
}
function textAt(store: Store, key: string): string | undefined {
  const body = bucketOf(store).objects.get(key)?.body;
  return body === undefined || body.at === 'blobs' ? undefined : store.readInline(body).toString();
}

/** A store that is written to without waiting, and a model of what it must hold. */
async function openHistory(own: string) {
  const open = () => openStore(own, COMPACT_ABOVE_BYTES / 4);
  let store = await open();
  await store.createBucket('b', 1);
  const model = new Map<string, string>();
  let pending: Promise<void>[] = [];
  const settle = async () => {
    await Promise.all(pending);
    pending = [];
  };
  const described = ({ body }: StoredObject) =>
    body.at === 'blobs'
      ? body.segments.map(({ blob }) => blob).join()
      : store.readInline(body).toString();
  return {
    model,
    settle,
    put(n: number, text: string) {
      pending.push(store.putObject(bucketOf(store), objectOf(`key-${n}`, Buffer.from(text))));
      model.set(`key-${n}`, text);
    },
    delete(n: number) {
      pending.push(store.deleteObject(bucketOf(store), `key-${n}`));
      model.delete(`key-${n}`);
    },
    async part(n: number, text: string) {
      const writer = await store.blobs.create();
      await writer.write([Buffer.from(text)]);
      const segment = { blob: await writer.finish(), bytes: text.length };
      const id = `upload-${n}`;
      if (!store.uploads.has(id))
        pending.push(
          store.createUpload({ id, bucket: 'b', key: `key-${n}`, initiatedAtMs: 1, headers: {} }),
        );
      pending.push(
        store.putPart(store.uploads.get(id)!, {
          number: 1,
          bytes: text.length,
          etag: 'e',
          modifiedAtMs: 1,
          checksum: { algorithm: 'CRC32', value: '' },
          segment,
        }),
      );
    },
    complete(n: number) {
      const upload = store.uploads.get(`upload-${n}`);
      if (upload === undefined) return;
      const segments = [...upload.parts.values()].map(({ segment }) => segment);
      store.blobs.retain(segments);
      const object: StoredObject = {
        ...objectOf(`key-${n}`, Buffer.alloc(0)),
        body: { at: 'blobs', segments },
      };
      pending.push(store.putObject(bucketOf(store), object, upload.id));
      model.set(`key-${n}`, described(object));
    },
    abort(n: number) {
      const upload = store.uploads.get(`upload-${n}`);
      if (upload !== undefined) pending.push(store.abortUpload(upload));
    },
    async reopen() {
      await settle();
      await store.close();
      store = await open();
    },
    found: () =>
      new Map(
        [...bucketOf(store).objects.values()].map((object) => [object.key, described(object)]),
      ),
    heldFiles() {
      const bodies = [...bucketOf(store).objects.values()].flatMap(({ body }) =>
        body.at === 'blobs' ? body.segments : [],
      );
      const parts = [...store.uploads.values()].flatMap((upload) =>
        [...upload.parts.values()].map(({ segment }) => segment),
      );
      return [...new Set([...bodies, ...parts].map(({ blob }) => blob))].toSorted();
    },
    files: async () => (await readdir(join(own, 'blobs'))).toSorted(),
    end: () => store.close(),
  };
}

describe('the journal of the local S3', () => {
  it('stays small while objects are overwritten, and every read is correct meanwhile', async () => {
    const store = await openStore(folder, COMPACT_ABOVE_BYTES);
    await store.createBucket('b', 1);
    let written = 0;
    for (let round = 0; round < 60; round += 1) {
      const keys = Array.from({ length: 20 }, (_, n) => `key-${n}`);
      const writes = keys.map((key) =>
        store.putObject(
          bucketOf(store),
          objectOf(key, Buffer.from(`${key} in round ${round}`.padEnd(100))),
        ),
      );
      for (const key of keys)
        expect(textAt(store, key)?.trimEnd()).toBe(`${key} in round ${round}`);
      await Promise.all(writes);
      for (const key of keys)
        expect(textAt(store, key)?.trimEnd()).toBe(`${key} in round ${round}`);
      written += 20 * 100;
    }
    await store.close();
    expect(written).toBeGreaterThan(4 * COMPACT_ABOVE_BYTES);
    expect((await stat(join(folder, 'journal'))).size).toBeLessThan(2 * COMPACT_ABOVE_BYTES);
    const again = await openStore(folder, COMPACT_ABOVE_BYTES);
    expect(textAt(again, 'key-7')?.trimEnd()).toBe('key-7 in round 59');
    await again.close();
  });

  const step = fc.record({
    does: fc.constantFrom('put', 'delete', 'part', 'complete', 'abort', 'settle', 'reopen'),
    n: fc.integer({ min: 0, max: 3 }),
    bytes: fc.integer({ min: 0, max: 4000 }),
  });

  it('restores the exact state after any history of puts, deletes, parts and compactions', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const history = await openHistory(await mkdtemp(join(folder, 'history-')));
        for (const [index, { does, n, bytes }] of steps.entries())
          await history[does](n, `${index}`.padEnd(bytes, '.'));
        await history.reopen();
        expect(history.found()).toEqual(history.model);
        expect(await history.files()).toEqual(history.heldFiles());
        await history.end();
      }),
      { numRuns: 250 },
    );
  });
});
