import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rememberSums } from '../../cromwell/proxy/sums.ts';

let folder: string;
let file: string;
let read: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stage-sums-'));
  file = join(folder, 'file');
  read = 0;
  await writeFile(file, 'one');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const count = async (): Promise<Uint8Array> => {
  read += 1;
  return new Uint8Array([read]);
};

test('a file that has not changed for a while is read once', async () => {
  const sums = rememberSums(() => Date.now() + 60_000, count);
  expect(await sums.of(file)).toBe(await sums.of(file));
  expect(read).toBe(1);
  await writeFile(file, 'two');
  await sums.of(file);
  expect(read).toBe(2);
});

test('a file that was written just now is read again, because a second write in the same second may not show', async () => {
  const sums = rememberSums(Date.now, count);
  await sums.of(file);
  await sums.of(file);
  expect(read).toBe(2);
});

test('the checksum of a file that was just uploaded is not computed again', async () => {
  const sums = rememberSums(() => Date.now() + 60_000, count);
  sums.learn(file, await stat(file, { bigint: true }), {
    sum: 'known',
    fromMs: Date.now() + 60_000,
  });
  expect(await sums.of(file)).toBe('known');
  await writeFile(file, 'two');
  expect(await sums.of(file)).not.toBe('known');
});
