/**
 * Stories made from seeds: equal and different tasks run, wait for each other and hit, while their inputs are
 * overwritten, removed and put back, their outputs are spoiled, and their commands are edited and the edit is taken
 * back. `BATCHWELL_STORY_SEEDS` and `_FROM` choose how many and from which; the same seed makes the same plan again.
 */
import { S3Client } from '@aws-sdk/client-s3';
import { appendFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { makeStory } from './cache-story.ts';
import { computeOn, playStory, type Played, type StoryFleet } from './cache-story-play.ts';
import { readTasks, type TaskState } from './fleet-rows.ts';
import { startFleetWorld, type FleetWorld } from './harness.ts';

const count = Number(process.env['BATCHWELL_STORY_SEEDS'] ?? (isLong ? 8 : 4));
const from = Number(process.env['BATCHWELL_STORY_FROM'] ?? 1);
const report = process.env['BATCHWELL_STORY_REPORT'];

const LOOK_MS = 25;
const ENDS = new Set(['done', 'failed', 'cancelled']);

let fleet: StoryFleet;
const played: Played[] = [];
const stopping = new AbortController();

beforeAll(async () => {
  // Followers wait as long as their leader runs: longer than usual where stories share a busy machine.
  const world = await startFleetWorld({ BATCHWELL_STALL_MS: '60000' });
  await world.startWorkers();
  fleet = {
    world,
    s3: new S3Client({ forcePathStyle: true }),
    computed: new Map(),
    delaysMs: new Map(),
    ended: watchEnds(world),
  };
  world.behave(computeOn(fleet));
});
afterAll(async () => {
  stopping.abort();
  fleet.s3.destroy();
  await fleet.world.close();
});

/** One query for all tasks that are waited for, whatever their number. */
function watchEnds(world: FleetWorld): StoryFleet['ended'] {
  const waiting = new Map<number, (task: TaskState) => void>();
  const look = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const tasks = waiting.size === 0 ? [] : await readTasks(world.database, [...waiting.keys()]);
      for (const task of tasks) {
        if (!ENDS.has(task.place)) continue;
        waiting.get(task.id)?.(task);
        waiting.delete(task.id);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
  void look();
  return (id) => new Promise((resolve) => waiting.set(id, resolve));
}

describe.concurrent('stories', () => {
  test.each(Array.from({ length: count }, (_, at) => from + at))(
    'every output of the story with seed %i is what its task computes of its inputs',
    async (seed) => {
      const one = await playStory(fleet, makeStory(seed));
      played.push(one);
      expect(one.wrong, JSON.stringify(makeStory(seed))).toEqual([]);
      if (report !== undefined) await appendFile(report, `${JSON.stringify(one)}\n`);
    },
    120_000,
  );
});

test('the stories held hits, changes and spoiled outputs', () => {
  const sum = (of: (one: Played) => number): number =>
    played.reduce((total, one) => total + of(one), 0);
  expect(sum(({ hits }) => hits)).toBeGreaterThanOrEqual(count);
  expect(sum(({ compared }) => compared)).toBeGreaterThan(count);
  expect(sum(({ changes }) => changes)).toBeGreaterThan(count);
  expect(sum(({ spoiled }) => spoiled)).toBeGreaterThanOrEqual(Math.floor(count / 2));
});
