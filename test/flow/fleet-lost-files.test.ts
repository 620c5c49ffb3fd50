/** An attempt that was lost may have left files in the folder of an output. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({ BATCHWELL_HOST_FAULT_PAUSE_MS: '10' });
  await world.startWorkers();
});
afterEach(() => world.close());

const FOLDER = 's3://data/out/folder';
const inFolder = (name: string, inputs = [`${FOLDER}/script`]) =>
  newTask(name, {
    spec: {
      inputs: inputs.map((url) => ({ url, path: '/in/script', type: 'FILE' })),
      outputs: [{ url: FOLDER, path: '/out', type: 'DIRECTORY' }],
    },
  });

/** What an attempt writes, and what its host has written before it is lost. */
function behave(): void {
  world.behave(() => ({
    work: async () => {
      await world.objects.put(`${FOLDER}/kept`, 'kept');
      const endedMs = Date.now();
      return {
        startedMs: endedMs,
        endedMs,
        executors: [{ exitCode: 0, startedMs: endedMs, endedMs }],
        outputs: [{ output: 0, path: 'kept', sizeBytes: 4, crc64nvme: 'AAAAAAAAAAA=', etag: 'e' }],
        missingOutputs: [],
      };
    },
  }));
}

async function warningsOf(id: number | undefined): Promise<unknown> {
  const [row] = await world.rows('SELECT place, warnings FROM tasks WHERE id = ?', [id]);
  return [row?.['place'], JSON.parse(String(row?.['warnings'] ?? 'null'))];
}

test('files of a lost attempt are named once the task is done, and inputs in the folder are not', async () => {
  behave();
  for (const name of ['script', 'part-1', 'deep/part-2'])
    await world.objects.put(`${FOLDER}/${name}`, 'lost');
  world.batch.faults.add({
    id: 'lost',
    service: 'batch',
    operation: 'StartAttempt',
    kind: 'host-fault',
    reason: 'DockerTimeoutError: Could not transition to created; timed out',
    times: 1,
  });
  const [id] = await world.accept([inFolder('one')]);
  await world.ended([id ?? 0]);
  expect(await warningsOf(id)).toEqual([
    'done',
    [
      `2 objects in ${FOLDER}/ are not of the attempt that counts, and may be left by one that was lost: ` +
        'deep/part-2, part-1. They are not outputs of this task. They were not changed.',
    ],
  ]);
});

test('a task that ran once is not looked at', async () => {
  behave();
  await world.objects.put(`${FOLDER}/other`, 'of somebody else');
  await world.objects.put(`${FOLDER}/script`, 'script');
  const [id] = await world.accept([inFolder('one')]);
  await world.ended([id ?? 0]);
  expect(await warningsOf(id)).toEqual(['done', null]);
});
