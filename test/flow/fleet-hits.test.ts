/** How hits get their outputs: pinned copies, and what happens when S3 does not copy. */
import { beginUpload, noteUpload } from '../../db/cache-uploads.ts';
import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { OutputOf, NewTask } from '../../core/task/task.ts';
import { cancelTasks } from '../../db/cancel.ts';
import { openObjectSums } from '../../db/object-sums.ts';
import type { FaultRule } from '../../packages/local-aws/faults.ts';
import type { Runtime } from '../../workers/runtime.ts';
import { endAbandonedUploads } from '../../workers/upkeep/abandoned-uploads.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
let s3: S3Client;
let runtime: Runtime;
beforeAll(async () => {
  world = await startFleetWorld({ BATCHWELL_CACHE_DENIED_WAIT_MS: '1500' });
  ({ runtime } = await world.startWorkers());
  s3 = new S3Client({});
});
afterAll(async () => {
  s3.destroy();
  await world.close();
});
afterEach(() => {
  world.s3.faults.clear();
  world.behave(() => ({}));
});

const file = (key: string, path = '/out'): OutputOf<string> => ({
  url: `s3://data/${key}`,
  path,
  type: 'FILE',
});
/** Equal commands are equal calls. */
const call = (command: string, outputs: OutputOf<string>[], more: Partial<NewTask> = {}): NewTask =>
  newTask(command, {
    cache: 'readwrite',
    ...more,
    spec: { executors: [{ image: 'debian:12', command: [command] }], outputs },
  });
const run = async (...tasks: NewTask[]) => world.ended(await world.accept(tasks));
const remove = (key: string) => s3.send(new DeleteObjectCommand({ Bucket: 'data', Key: key }));
const textAt = async (key: string) => (await world.objects.get(`s3://data/${key}`))?.toString();
const fault = (rule: Partial<FaultRule>) =>
  world.s3.faults.add({ service: 's3', operation: 'CopyObject', kind: 'error', ...rule });
const deny = (match: string, operation = '*') =>
  fault({ operation, match, status: 403, code: 'AccessDenied' });
const invalidReasons = async (taskId: number | undefined) =>
  world.rows('SELECT invalid_reason AS reason FROM cache_entries WHERE task_id = ?', [taskId]);

test('40 equal tasks whose entry has lost its output make one run', async () => {
  await run(call('lost', [file('lost/first')]));
  await remove('lost/first');
  const before = world.effects.length;
  world.behave(() => ({ durationMs: 300 }));
  const ended = await run(...manyTasks(40, (at) => call('lost', [file(`lost/${at}`)])));
  expect(ended.map(({ place }) => place)).toEqual(Array.from({ length: 40 }, () => 'done'));
  expect(ended.filter(({ hitEntryId }) => hitEntryId !== null)).toHaveLength(39);
  expect(world.effects.length - before).toBe(1);
});

test('a task is a hit of the older of two entries when the newer has lost its output', async () => {
  const [first] = await run(call('older', [file('older/1')]));
  await run(call('older', [file('older/2')], { cache: 'refresh' }));
  await world.database.pool.query(
    'UPDATE cache_entries SET usable = TRUE, invalid_reason = NULL WHERE task_id = ?',
    [first?.id],
  );
  await remove('older/2');
  const before = world.effects.length;
  expect(await run(call('older', [file('older/3')]))).toMatchObject([{ place: 'done' }]);
  expect(world.effects.length).toBe(before);
  expect(await textAt('older/3')).toBe('[["older"]]');
});

test('a hit whose copies fail for a while waits and is a hit', async () => {
  const [first] = await run(call('outage', [file('outage/1')]));
  fault({ status: 409, code: 'OperationAborted', times: 3 });
  const ended = await run(...manyTasks(3, (at) => call('outage', [file(`outage/b${at}`)])));
  expect(ended.every(({ hitEntryId }) => hitEntryId !== null)).toBe(true);
  expect(await textAt('outage/b2')).toBe('[["outage"]]');
  expect(ended[0]?.warnings).toBe(
    '["S3 failed to copy the outputs of an equal task. The hit retries for up to 3600 s."]',
  );
  expect(await invalidReasons(first?.id)).toEqual([{ reason: null }]);
});

test('an error of S3 while an entry is judged does not invalidate the entry', async () => {
  const [first] = await run(call('expired', [file('expired/1')]));
  fault({
    operation: 'HeadObject',
    status: 400,
    code: 'ExpiredToken',
    match: 'expired/1',
    times: 2,
  });
  const [second] = await run(call('expired', [file('expired/2')]));
  expect(second).toMatchObject({ place: 'done' });
  expect(second?.hitEntryId).not.toBeNull();
  expect(await invalidReasons(first?.id)).toEqual([{ reason: null }]);
});

test('hits of a source that is denied wait for one probe at a time, and are hits when access is back', async () => {
  const [first] = await run(call('denied', [file('denied/1')]));
  const refused = deny('data/denied/1');
  deny('denied/b', 'CopyObject');
  const ids = await world.accept(manyTasks(20, (at) => call('denied', [file(`denied/b${at}`)])));
  await world.until(
    'the denial',
    async () => (await world.rows('SELECT * FROM cache_denials')).length === 1,
  );
  expect(await world.rows('SELECT owner, role, folder FROM cache_denials')).toEqual([
    { owner: 'tester', role: '', folder: 's3://data/denied/' },
  ]);
  const bitten = () => world.s3.faults.list().find(({ id }) => id === refused.id)?.bitten ?? 0;
  const before = bitten();
  await world.until('a probe', () => bitten() > before);
  world.s3.faults.clear();
  const ended = await world.ended(ids);
  expect(ended.every(({ hitEntryId }) => hitEntryId !== null)).toBe(true);
  expect(ended[0]?.warnings).toBe(
    '["Access to s3://data/denied/, where the outputs of an equal task are, is denied. The hit waits for up to 2 s."]',
  );
  expect(await world.rows('SELECT * FROM cache_denials')).toEqual([]);
  expect(await invalidReasons(first?.id)).toEqual([{ reason: null }]);
});

test('tasks whose source stays denied run once, and say why; the entry stays valid', async () => {
  const [first] = await run(call('shut', [file('shut/1')]));
  deny('data/shut/1');
  world.behave(() => ({ durationMs: 300 }));
  const before = world.effects.length;
  const ended = await run(...manyTasks(4, (at) => call('shut', [file(`open/${at}`)])));
  expect(world.effects.length - before).toBe(1);
  expect(ended[0]?.warnings).toMatch(
    /outputs of an equal task were not used: access to s3:\/\/data\/shut\/ has been denied for more than 2 s/,
  );
  expect(
    await world.rows('SELECT DISTINCT hit_refusal AS reason FROM tasks WHERE id IN (?)', [
      ended.map(({ id }) => id),
    ]),
  ).toEqual([{ reason: 'source-denied' }]);
  expect(await invalidReasons(first?.id)).toEqual([{ reason: null }]);
});

test('outputs that exchange their URLs are computed, and none holds the bytes of the other', async () => {
  const both = (a: string, b: string) => call('swap', [file(a, '/a'), file(b, '/b')]);
  world.behave(() => ({ contents: ['A', 'B'] }));
  await run(both('swap/x', 'swap/y'));
  const [second] = await run(both('swap/y', 'swap/x'));
  expect(second).toMatchObject({ place: 'done', hitEntryId: null });
  expect(second?.warnings).toMatch(/exchanges the URLs of earlier outputs/);
  expect([await textAt('swap/y'), await textAt('swap/x')]).toEqual(['A', 'B']);
});

test('outputs that exchange their URLs are copied where the bucket keeps versions', async () => {
  const Bucket = 'versioned';
  await world.objects.ensureBucket(Bucket);
  const VersioningConfiguration = { Status: 'Enabled' as const };
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  const at = (key: string, path: string): OutputOf<string> => ({
    ...file('', path),
    url: `s3://${Bucket}/${key}`,
  });
  const both = (a: string, b: string) => call('versions', [at(a, '/a'), at(b, '/b')]);
  world.behave(() => ({ contents: ['A', 'B'] }));
  await run(both('x', 'y'));
  for (const key of ['x', 'y']) {
    const url = `s3://${Bucket}/${key}`;
    const seen = await world.objects.describe(url);
    // As the stager reports it; the played container does not.
    await world.database.pool.query('UPDATE cache_outputs SET version_id = ? WHERE url = ?', [
      seen?.versionId,
      url,
    ]);
  }
  const [second] = await run(both('y', 'x'));
  expect(second?.hitEntryId).not.toBeNull();
  expect((await world.objects.get(`s3://${Bucket}/y`))?.toString()).toBe('A');
  expect((await world.objects.get(`s3://${Bucket}/x`))?.toString()).toBe('B');
});

test('outputs that move to each other’s URLs one after the other are copied in that order', async () => {
  const both = (a: string, b: string) => call('shift', [file(a, '/a'), file(b, '/b')]);
  world.behave(() => ({ contents: ['A', 'B'] }));
  await run(both('shift/x', 'shift/y'));
  const [second] = await run(both('shift/y', 'shift/z'));
  expect(second?.hitEntryId).not.toBeNull();
  expect([await textAt('shift/y'), await textAt('shift/z')]).toEqual(['A', 'B']);
});

test('an output that is overwritten while it is copied is judged again, and its task runs', async () => {
  const [first] = await run(call('race', [file('race/1')]));
  fault({ kind: 'delay', delayMs: 700, match: 'race/2' });
  const before = world.asked('s3.CopyObject');
  const ids = await world.accept([call('race', [file('race/2')])]);
  await world.until('the copy', () => world.s3.faults.list()[0]?.bitten === 1);
  await world.objects.put('s3://data/race/1', '[["RACE"]]');
  expect(await world.ended(ids)).toMatchObject([{ place: 'done', hitEntryId: null }]);
  expect(world.asked('s3.CopyObject') - before).toBe(1);
  expect(await textAt('race/2')).toBe('[["race"]]');
  expect(await invalidReasons(first?.id)).toEqual([
    { reason: 's3://data/race/1 was overwritten with other content.' },
  ]);
});

test('a hit carries the warnings of the first run, and names what is at the URL of an output that it lacks', async () => {
  const two = (name: string) => call('half', [file(`${name}/a`, '/a'), file(`${name}/b`, '/b')]);
  const [first] = await run(two('half/1'));
  // An entry as it may be of a directory that was empty, or from before missing outputs left none.
  const { pool } = world.database;
  await pool.query("DELETE FROM cache_outputs WHERE url = 's3://data/half/1/b'");
  await pool.query('UPDATE cache_entries SET warnings = ? WHERE task_id = ?', [
    '["Noted by the first run."]',
    first?.id,
  ]);
  await world.objects.put('s3://data/half/2/b', 'from long ago');
  const [second] = await run(two('half/2'));
  expect(second?.hitEntryId).not.toBeNull();
  expect(JSON.parse(second?.warnings ?? '[]')).toEqual([
    'Noted by the first run.',
    'The earlier run did not write output /b. What is at s3://data/half/2/b is not an output of this task. It was not changed.',
  ]);
  expect(await textAt('half/2/b')).toBe('from long ago');
});

test('what a hit copied is known by its checksum to the next step', async () => {
  await run(call('memo', [file('memo/1')]));
  await run(call('memo', [file('memo/2')]));
  const copied = await world.objects.describe('s3://data/memo/2');
  const known = await openObjectSums(world.database.pool, Date.now).recall([
    { url: 's3://data/memo/2', etag: copied?.etag ?? '', sizeBytes: copied?.sizeBytes ?? 0 },
  ]);
  expect(known).toEqual([Buffer.from(copied?.checksums.crc64nvme ?? '', 'base64').toString('hex')]);
});

test('a hit that is cancelled stops its copies', async () => {
  const many = (name: string) =>
    call(
      'many',
      Array.from({ length: 200 }, (_, at) => file(`${name}/${at}`, `/out/${at}`)),
    );
  await run(many('many/1'));
  fault({ kind: 'delay', delayMs: 400 });
  const ids = await world.accept([many('many/2')]);
  const before = world.asked('s3.CopyObject');
  await world.until('its copies', () => world.asked('s3.CopyObject') > before + 10);
  await cancelTasks(world.database, ids, Date.now());
  await world.until('the end of its copies', async () => {
    const asked = world.asked('s3.CopyObject');
    await new Promise((resolve) => setTimeout(resolve, 600));
    return world.asked('s3.CopyObject') === asked;
  });
  expect(world.asked('s3.CopyObject') - before).toBeLessThan(200);
  expect(await world.tasks(ids)).toMatchObject([{ place: 'cancelled' }]);
});

test('a hit by reference is of a version; without versions the outputs are copied', async () => {
  const referring = await startFleetWorld({ BATCHWELL_CACHE_HIT: 'reference' });
  try {
    await referring.startWorkers();
    const own = async (key: string) => {
      const [task] = await referring.ended(
        await referring.accept([call('reference', [file(key)])]),
      );
      const [row] = await referring.rows('SELECT hit_mode AS mode FROM tasks WHERE id = ?', [
        task?.id,
      ]);
      return { mode: row?.['mode'] as unknown, warnings: task?.warnings };
    };
    await own('first');
    expect(await own('second')).toEqual({ mode: 'copy', warnings: null });
    await referring.database.pool.query("UPDATE cache_outputs SET version_id = 'v1'");
    expect(await own('third')).toEqual({ mode: 'reference', warnings: null });
    expect(await referring.objects.describe('s3://data/third')).toBeUndefined();
  } finally {
    await referring.close();
  }
});

test('the upload of a copy whose worker was killed is ended when no task will resume it', async () => {
  const [task] = await run(call('upload', [file('upload/1')]));
  const at = { Bucket: 'data', Key: 'upload/2' };
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand(at));
  const source = { url: 's3://data/upload/1', etag: 'e', versionId: null };
  const upload = { taskId: task?.id ?? 0, url: 's3://data/upload/2', source };
  await beginUpload(world.database.pool, upload, 0);
  expect(await noteUpload(world.database.pool, upload, UploadId)).toBe(UploadId);
  expect(await noteUpload(world.database.pool, upload, 'a second one')).toBe(UploadId);
  await endAbandonedUploads(runtime);
  expect(
    (await s3.send(new ListMultipartUploadsCommand({ Bucket: 'data' }))).Uploads ?? [],
  ).toEqual([]);
  expect(await world.rows('SELECT * FROM cache_uploads')).toEqual([]);
});
