/** What tags of images name, kept for the whole fleet: the memo in MySQL, and processes that share it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import { openImageMemo, type ImageMemo } from '../../db/image-digests.ts';
import type { RegistryClient, TagAnswer } from '../../registry/client.ts';
import { openImageDigests, type ImageDigestOptions } from '../../registry/image-digests.ts';
import { freshDatabase } from '../world.ts';

let database: Database;
let memo: ImageMemo;
beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  database = openDatabase({ url, connections: 4 });
  memo = openImageMemo(database.pool);
});
afterAll(() => database.close());
beforeEach(() => database.pool.query('DELETE FROM image_digests'));

const key = { image: 'docker.io/library/ubuntu:latest', architecture: 'x86-64' } as const;
const digest = (letter: string): string => letter.repeat(64);
const answer = { tagged: digest('a'), manifest: digest('b') };
const pass = (ms: number): Promise<unknown> =>
  database.pool.query(
    'UPDATE image_digests SET fresh_until_ms = GREATEST(fresh_until_ms, ?) - ?, claimed_until_ms = GREATEST(claimed_until_ms, ?) - ?',
    [ms, ms, ms, ms],
  );

describe('the memo of images', () => {
  it('lets one process ask at a time, and the next one when that has died', async () => {
    const claims = await Promise.all([1, 2, 3, 4].map(() => memo.claim(key, 20_000)));
    expect(claims.filter(Boolean)).toHaveLength(1);
    await pass(21_000);
    expect(await memo.claim(key, 20_000)).toBe(true);
  });

  it('keeps an answer for the time given, and no process asks meanwhile', async () => {
    await memo.claim(key, 20_000);
    await memo.save(key, answer, 10_000);
    expect(await memo.read([key])).toEqual([{ key, answer, isFresh: true }]);
    expect(await memo.claim(key, 20_000)).toBe(false);
    await pass(11_000);
    expect(await memo.read([key])).toEqual([{ key, answer, isFresh: false }]);
    expect(await memo.claim(key, 20_000)).toBe(true);
  });

  it('tells architectures and problems apart', async () => {
    const problem = { code: 'not-found', sentence: 'No such tag.' } as const;
    await memo.save(key, { problem }, 1000);
    expect(await memo.read([key, { ...key, architecture: 'arm64' }])).toEqual([
      { key, answer: { problem }, isFresh: true },
    ]);
    expect(await memo.read([])).toEqual([]);
  });
});

describe('images that are asked for', () => {
  interface Played {
    asked: Parameters<RegistryClient['resolve']>[0][];
    open(options?: Partial<ImageDigestOptions>): ReturnType<typeof openImageDigests>;
  }
  const play = (answers: (at: number) => TagAnswer | Promise<TagAnswer>): Played => {
    const asked: Played['asked'] = [];
    const client: RegistryClient = {
      async resolve(one) {
        asked.push(one);
        return answers(asked.length);
      },
      close: () => undefined,
    };
    return {
      asked,
      open: (options = {}) =>
        openImageDigests({
          client,
          memo,
          cacheMs: 10_000,
          registries: [],
          onProblem: () => undefined,
          onTrouble: () => undefined,
          ...options,
        }),
    };
  };
  const ubuntu = { image: 'ubuntu', architecture: 'x86-64' } as const;
  const seen = { identity: `sha256:${answer.manifest}`, resolved: answer.manifest };

  it('are asked for once by all processes, under all of their names', async () => {
    const { asked, open } = play(async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return answer;
    });
    const wanted = ['ubuntu', 'ubuntu:latest', 'index.docker.io/ubuntu'].map((image) => ({
      ...ubuntu,
      image,
    }));
    const all = await Promise.all([open(), open(), open()].map((one) => one.see(wanted, 5000)));
    expect(all.flat()).toEqual(Array.from({ length: 9 }, () => seen));
    expect(asked).toHaveLength(1);
  });

  it('are asked for again with what was known before', async () => {
    const { asked, open } = play(() => answer);
    const images = open();
    await images.see([ubuntu], 5000);
    await pass(11_000);
    await images.see([ubuntu], 5000);
    expect(asked.map(({ before }) => before)).toEqual([undefined, answer]);
  });

  it('are pending while their registry is slow, and there when it has answered', async () => {
    const { promise, resolve } = Promise.withResolvers<TagAnswer>();
    const { asked, open } = play(() => promise);
    const [one, other] = [open(), open()];
    const digested = { image: `ubuntu@sha256:${digest('c')}`, architecture: 'x86-64' } as const;
    expect(await one.see([ubuntu, digested], 100)).toEqual([
      'pending',
      { identity: `sha256:${digest('c')}` },
    ]);
    expect(await other.see([ubuntu], 100)).toEqual(['pending']);
    resolve(answer);
    expect(await other.see([ubuntu], 5000)).toEqual([seen]);
    expect(await one.see([ubuntu], 5000)).toEqual([seen]);
    expect(asked).toHaveLength(1);
  });

  it('are not asked for where the name is none, or a setting leaves their registry out', async () => {
    const { asked, open } = play(() => answer);
    const images = open({ registries: ['ghcr.io'] });
    const wanted = ['Not An Image', 'ubuntu'].map((image) => ({ ...ubuntu, image }));
    expect(await images.see(wanted, 5000)).toMatchObject([
      { problem: { code: 'bad-name' } },
      { problem: { code: 'not-allowed' } },
    ]);
    expect(asked).toEqual([]);
  });

  it('whose answer cannot be stored are pending, and the error is reported', async () => {
    const { open } = play(() => answer);
    const told: unknown[] = [];
    const images = open({
      memo: { ...memo, save: () => Promise.reject(new Error('away')) },
      onTrouble: (error) => told.push(error),
    });
    expect(await images.see([ubuntu], 100)).toEqual(['pending']);
    expect(told).toEqual([new Error('away')]);
  });
});
