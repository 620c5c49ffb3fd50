import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rememberSums } from '../../cromwell/stage/sums.ts';

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
  const sumOf = rememberSums(() => Date.now() + 60_000, count);
  expect(await sumOf(file)).toBe(await sumOf(file));
  expect(read).toBe(1);
  await writeFile(file, 'two');
  await sumOf(file);
  expect(read).toBe(2);
});

test('one that was written just now is read again: where times are whole seconds it may have been written twice', async () => {
  const sumOf = rememberSums(Date.now, count);
  await sumOf(file);
  await sumOf(file);
  expect(read).toBe(2);
});
