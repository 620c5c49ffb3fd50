/** Tasks whose result record does not fit into its row, as the API shows them. */
import { createHash } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { toStore } from '../../core/result/stored-record.ts';
import { startApiWorld } from '../api-world.ts';
import { endAttemptIn, endTaskIn, LOG_SETTINGS, rowOf, runIn, sqlIn } from '../log-world.ts';

const world = await startApiWorld(LOG_SETTINGS);
afterAll(() => world.close());
const sql = sqlIn(world);

const FILES = 5000;
const record = {
  startedMs: 1000,
  endedMs: 2000,
  executors: [{ exitCode: 0, startedMs: 1000, endedMs: 2000 }],
  outputs: Array.from({ length: FILES }, (_, at) => ({
    output: 0,
    path: `file-${at}`,
    sizeBytes: 3,
    crc64nvme: 'AAAAAAAAAAA=',
    etag: '',
  })),
  missingOutputs: [],
};

/** A task that is done. @param result what its row holds */
async function doneWith(result: (key: string) => string): Promise<string> {
  const { json } = await world.call('POST', '/v1/tasks', {
    executors: [{ image: 'alpine', command: ['true'] }],
    outputs: [{ url: 's3://data/d', path: '/out/d', type: 'DIRECTORY' }],
  });
  const submission = await runIn(world)(json.id);
  await sql('UPDATE attempts SET result = ? WHERE task_id = ?', [
    result(`submissions/${submission}/results/00007.1.long`),
    rowOf(json.id),
  ]);
  await endAttemptIn(world)(json.id);
  await endTaskIn(world)(json.id);
  return json.id;
}

const body = JSON.stringify(record);
const inS3 = (key: string, text = body): string => {
  world.logs.texts.set(key, text);
  const seen = { key, bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') };
  return JSON.stringify(toStore(record, seen));
};

const outputsIn = async (path: string) => {
  const { status, json } = await world.call('GET', path);
  expect(status).toBe(200);
  const task = json.tasks?.[0] ?? json;
  return { outputs: task.logs?.[0]?.outputs ?? [], said: task.logs?.[0]?.system_logs ?? [] };
};

test('a task shows all of its files when it is read by itself, and lists show the first ones and say so', async () => {
  const id = await doneWith((key) => inS3(key));
  const { outputs, said } = await outputsIn(`/v1/tasks/${id}?view=FULL`);
  expect(outputs).toHaveLength(FILES);
  expect(outputs.at(-1)).toMatchObject({ url: `s3://data/d/file-${FILES - 1}`, size_bytes: '3' });
  expect(said).toEqual([]);
  await doneWith((key) => inS3(key));
  const listed = await outputsIn('/v1/tasks?view=FULL');
  expect(listed.outputs.length).toBeGreaterThan(100);
  expect(listed.outputs.length).toBeLessThan(1000);
  expect(listed.said).toEqual([
    `Only the first ${listed.outputs.length} of ${FILES} output files are shown here. Get the task by itself, while S3 answers, for all of them.`,
  ]);
});

test('a record that was changed in S3 is not shown: the beginning in the row is', async () => {
  const id = await doneWith((key) => inS3(key, body.replace('file-17', 'file-xx')));
  const { outputs, said } = await outputsIn(`/v1/tasks/${id}?view=FULL`);
  expect(outputs.length).toBeLessThan(1000);
  expect(said.join()).toContain(`of ${FILES} output files`);
});

test('a record that MySQL cut in the middle does not end the reads of its owner', async () => {
  const id = await doneWith(() => body.slice(0, 5000));
  for (const path of [
    `/v1/tasks/${id}?view=FULL`,
    '/v1/tasks?view=FULL',
    `/v1/tasks/${id}/timeline`,
  ])
    expect((await world.call('GET', path)).status, path).toBe(200);
});
