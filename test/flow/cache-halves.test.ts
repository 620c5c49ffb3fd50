/** Runs that are no good for another task, and hits whose outputs cross or are copied twice: with real bytes. */
import { S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NewTask, TaskSpec } from '../../core/task/task.ts';
import { BIG, compute, computes, resultOf, type Files } from './computing.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
let s3: S3Client;
beforeEach(async () => {
  world = await startFleetWorld();
  await world.startWorkers();
  s3 = new S3Client({ forcePathStyle: true });
});
afterEach(async () => {
  s3.destroy();
  await world.close();
});

const file = (url: string, path: string) => ({
  url: `s3://data/${url}`,
  path,
  type: 'FILE' as const,
});

const task = (name: string, spec: Partial<TaskSpec>): NewTask =>
  newTask(name, { cache: 'readwrite', spec });

const run = async (one: NewTask) => (await world.ended(await world.accept([one])))[0];

const bytesOf = async (key: string): Promise<Buffer> =>
  (await world.objects.get(`s3://data/${key}`)) ?? Buffer.of();

const text = async (key: string): Promise<string | undefined> =>
  (await world.objects.get(`s3://data/${key}`))?.toString();

/** Containers that read and write real bytes. */
const computeForReal = (): void =>
  world.behave(({ spec }) => ({
    work: async () => (await compute(s3, spec, () => Promise.resolve())).record,
  }));

test('a run whose executor failed and was ignored is not handed out', async () => {
  const ignoring = (name: string): NewTask =>
    task(name, {
      executors: [{ image: 'debian:12', command: ['download'], ignore_error: true }],
    });
  world.behave(() => ({ exitCode: 1 }));
  expect(await run(ignoring('first'))).toMatchObject({ place: 'done' });
  expect(await run(ignoring('second'))).toMatchObject({ place: 'done', hitEntryId: null });
});

test('a run that left out a declared output is not handed out', async () => {
  const half = (name: string): NewTask =>
    task(name, {
      outputs: [file(`${name}/log`, '/out/log'), file(`${name}/bam`, '/out/bam')],
      executors: [{ image: 'debian:12', command: ['half'] }],
    });
  world.behave(({ taskId }) => ({ missing: taskId === 1 ? [1] : [] }));
  expect(await run(half('first'))).toMatchObject({ place: 'done' });
  expect(await run(half('second'))).toMatchObject({ place: 'done', hitEntryId: null });
  expect(await text('second/bam')).toBeDefined();
});

test('a run whose only output is an empty directory leaves nothing at the URL of an equal task', async () => {
  const empty = (name: string): NewTask =>
    task(name, {
      outputs: [{ url: `s3://data/${name}`, path: '/out/d', type: 'DIRECTORY' }],
      executors: [{ image: 'debian:12', command: ['mkdir'] }],
    });
  const nowMs = Date.now();
  world.behave(() => ({
    work: async () => ({
      startedMs: nowMs,
      endedMs: nowMs,
      executors: [{ exitCode: 0, startedMs: nowMs, endedMs: nowMs }],
      outputs: [],
      missingOutputs: [],
    }),
  }));
  expect(await run(empty('first'))).toMatchObject({ place: 'done' });
  expect(await run(empty('second'))).toMatchObject({ place: 'done' });
  for await (const page of world.objects.list('s3://data/second/')) expect(page).toEqual([]);
});

test('a hit whose outputs go to each other’s earlier URLs gets each its own bytes', async () => {
  computeForReal();
  const pair = (name: string, [one, two]: [string, string]): NewTask =>
    task(name, {
      outputs: [file(one, '/out/one'), file(two, '/out/two')],
      executors: [{ image: 'debian:12', command: computes('pair') }],
    });
  await run(pair('first', ['a', 'b']));
  const [one, two] = [await text('a'), await text('b')];
  expect(one).not.toBe(two);
  expect(await run(pair('second', ['b', 'a']))).toMatchObject({ place: 'done' });
  expect([await text('b'), await text('a')]).toEqual([one, two]);
});

test('a step behind a large output is a hit in every run of a chain, although copies change the ETag', async () => {
  computeForReal();
  let right: Files | undefined;
  const chain = async (name: string): Promise<(number | null | undefined)[]> => {
    const large = task(`large-${name}`, {
      outputs: [file(`${name}/large`, '/out/large')],
      executors: [{ image: 'debian:12', command: computes(`${BIG}step`) }],
    });
    const behind = task(`behind-${name}`, {
      inputs: [file(`${name}/large`, '/in/large')],
      outputs: [file(`${name}/small`, '/out/small')],
      executors: [{ image: 'debian:12', command: computes('step behind') }],
    });
    const ended = [await run(large), await run(behind)];
    right ??= resultOf(behind.spec, [new Map([['', await bytesOf(`${name}/large`)]])])[0];
    expect(await text(`${name}/small`)).toBe(right?.get('')?.toString());
    return ended.map((one) => one?.hitEntryId);
  };
  expect(await chain('one')).toEqual([null, null]);
  expect(await chain('two')).toEqual([1, 2]);
  expect(await chain('three')).toEqual([1, 2]);
});
