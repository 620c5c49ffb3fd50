/** Tasks over TES from their creation to their end, in all views. */
import { afterAll, describe, expect, test } from 'vitest';
import type { ResultRecord } from '../../core/result/result.ts';
import { startApiWorld } from '../api-world.ts';
import { attemptIn, endIn, getIn, keyOf, postIn, prefixOf, simple, sqlIn } from '../tes-world.ts';

const world = await startApiWorld();
afterAll(() => world.close());
const post = postIn(world);
const get = getIn(world);
const sql = sqlIn(world);
const startAttempt = attemptIn(world);
const end = endIn(world);

const whole = {
  name: 'align',
  description: 'reads to reference',
  inputs: [
    { name: 'reads', url: 's3://data/reads.fq', path: '/in/reads.fq' },
    { content: 'echo hi', path: '/in/script' },
  ],
  outputs: [
    { url: 's3://out/a.bam', path: '/out/a.bam' },
    { url: 's3://out/parts', path: '/parts', type: 'DIRECTORY' },
    { url: 's3://out/logs/', path: '/logs/*.txt', path_prefix: '/logs' },
  ],
  resources: {
    cpu_cores: 2,
    ram_gb: 4.5,
    disk_gb: 20,
    preemptible: true,
    zones: ['a'],
    backend_parameters: { queue: 'fast', VmSize: 'big' },
  },
  executors: [
    {
      image: 'bwa',
      command: ['bwa'],
      env: { A: 'b' },
      workdir: '/',
      stdout: '/tmp/o',
      ignore_error: true,
    },
    { image: 'bwa', command: ['sort'] },
    { image: 'bwa', command: ['index'] },
  ],
  volumes: ['/vol'],
  tags: { run: '7' },
};

/** Whatever has no effect is named. */
const WARNINGS = [
  expect.stringContaining('"VmSize"'),
  expect.stringMatching(/^disk_gb was not checked/),
  expect.stringMatching(/^zones has no effect/),
  expect.stringMatching(/^preemptible has no effect/),
];

describe('a new task', () => {
  test('a new task is QUEUED, and its three views follow the specification', async () => {
    const id = await post(whole);
    expect(await get(id, 'MINIMAL')).toEqual({ id, state: 'QUEUED' });
    const basic = await get(id, 'BASIC');
    expect(basic).toMatchObject({
      id,
      state: 'QUEUED',
      name: 'align',
      description: 'reads to reference',
      tags: { run: '7' },
      volumes: ['/vol'],
      executors: whole.executors,
    });
    expect(basic.inputs).toEqual([
      { name: 'reads', url: 's3://data/reads.fq', path: '/in/reads.fq', type: 'FILE' },
      { path: '/in/script', type: 'FILE' },
    ]);
    expect(basic.resources).toEqual({
      cpu_cores: 2,
      ram_gb: 4.5,
      disk_gb: 20,
      preemptible: true,
      zones: ['a'],
      backend_parameters: { queue: 'fast' },
    });
    expect(basic.logs).toMatchObject([
      {
        logs: [{ exit_code: -1 }, { exit_code: -1 }],
        metadata: { waiting_for: 'worker' },
        outputs: [],
      },
    ]);
    const full = await get(id, 'FULL');
    expect(full.inputs![1]!.content).toBe('echo hi');
    expect(full.logs[0]!.system_logs).toEqual(WARNINGS);
  });

  test('a new task is sent to the workers, and left to the sweeper at its due time', async () => {
    const before = await world.queues.byStage['cache-check'].getJobCountByTypes('waiting');
    const id = await post(simple);
    await expect
      .poll(() => world.queues.byStage['cache-check'].getJobCountByTypes('waiting'))
      .toBeGreaterThan(before);
    const [rows] = await sql(
      'SELECT place, due_ms - created_ms >= ? AS patient, due_ms - created_ms <= ? * 1.125 AS timely FROM tasks WHERE id = ?',
      [world.config.stallMs, world.config.stallMs, keyOf(id)],
    );
    expect(rows).toEqual([{ place: 'cache-check', patient: 1, timely: 1 }]);
  });

  test('concurrent POSTs each get their own id and share one template', async () => {
    const ids = await Promise.all(
      Array.from({ length: 100 }, (_, number) =>
        post({
          ...simple,
          name: `n${number}`,
          tags: { batch: 'concurrent' },
          executors: [{ image: 'concurrent', command: ['echo', String(number % 2)] }],
        }),
      ),
    );
    expect(new Set(ids).size).toBe(100);
    const shown = await Promise.all(ids.map((id) => get(id, 'BASIC')));
    expect(shown.map(({ name, executors }) => [name, executors[0]!.command[1]])).toEqual(
      ids.map((_, number) => [`n${number}`, String(number % 2)]),
    );
    const [rows] = await sql(
      "SELECT COUNT(DISTINCT t.template_id) AS templates FROM tasks t JOIN task_tags g ON g.task_id = t.id WHERE g.tag_value = 'concurrent'",
    );
    expect(rows).toEqual([{ templates: 1 }]);
  });
});

describe('the state of a task', () => {
  test.each([
    ['cache-check', 'QUEUED'],
    ['stage-script', 'QUEUED'],
    ['finalize', 'RUNNING'],
  ])('a task at %s is %s', async (place, state) => {
    const id = await post(simple);
    await sql('UPDATE tasks SET place = ? WHERE id = ?', [place, keyOf(id)]);
    expect(await get(id, 'MINIMAL')).toEqual({ id, state });
  });

  test('a task at poll is RUNNING once its own container was seen running, and not by a sibling', async () => {
    const id = await post(simple);
    const key = await startAttempt(id);
    expect((await get(id, 'MINIMAL')).state).toBe('QUEUED');
    await sql('UPDATE submissions SET running_ms = 4000 WHERE submission_key = ?', [key]);
    expect((await get(id, 'MINIMAL')).state).toBe('QUEUED');
    await sql('UPDATE attempts SET started_ms = 5000 WHERE task_id = ?', [keyOf(id)]);
    expect(await get(id, 'FULL')).toMatchObject({
      state: 'RUNNING',
      logs: [
        {
          start_time: '1970-01-01T00:00:05.000Z',
          metadata: { batch_job_id: 'job-1:1' },
          logs: [{ exit_code: -1 }],
        },
      ],
    });
  });

  test('a failed task shows whose fault it was, with the message in the system logs', async () => {
    const id = await post(simple);
    await startAttempt(id, {
      ended: { outcome: 'failed', exitCode: 137, reason: 'OutOfMemoryError' },
    });
    await end(id, 'failed', ", failure_code = 'out-of-memory', failure = 'It needed more.'");
    expect(await get(id, 'FULL')).toMatchObject({
      state: 'EXECUTOR_ERROR',
      logs: [{ logs: [{ exit_code: 137 }], system_logs: ['It needed more.', 'OutOfMemoryError'] }],
    });
    await sql("UPDATE tasks SET failure_code = 'host-lost' WHERE id = ?", [keyOf(id)]);
    expect((await get(id, 'MINIMAL')).state).toBe('SYSTEM_ERROR');
  });
});

describe('an executor that did not run', () => {
  const FAILED = ", failure_code = 'internal', failure = 'It failed.'";
  const logsOf = async (id: string) => {
    const [basic, full] = [await get(id, 'BASIC'), await get(id, 'FULL')];
    expect(basic.logs.map(({ logs }) => logs)).toEqual(full.logs.map(({ logs }) => logs));
    return full.logs.map(({ logs }) => logs);
  };
  const noneRan = { startedMs: 1, endedMs: 2, executors: [], outputs: [], missingOutputs: [] };

  test.each(['failed', 'cancelled'] as const)(
    'a task that is %s before its first attempt has no executor log',
    async (place) => {
      const id = await post(whole);
      expect(await logsOf(id)).toEqual([[{ exit_code: -1 }, { exit_code: -1 }]]);
      await end(id, place, place === 'failed' ? FAILED : '');
      expect(await logsOf(id)).toEqual([[]]);
    },
  );

  test.each([
    [{ outcome: 'failed' as const, exitCode: 120, result: noneRan }, []],
    [{ outcome: 'failed' as const, exitCode: 123 }, []],
    [{ outcome: 'lost' as const, reason: 'Host EC2 terminated' }, []],
    [{ outcome: 'cancelled' as const }, []],
    [{ outcome: 'failed' as const, exitCode: 137 }, [{ exit_code: 137 }]],
  ])('an attempt that ended as %j shows the executors %j', async (ended, logs) => {
    const id = await post(whole);
    await startAttempt(id, { ended });
    const place = ended.outcome === 'cancelled' ? 'cancelled' : 'failed';
    await end(id, place, place === 'failed' ? FAILED : '');
    expect(await logsOf(id)).toEqual([logs]);
  });

  test('a lost attempt shows none while the next one shows those that will run', async () => {
    const id = await post(simple);
    await startAttempt(id, { number: 1, ended: { outcome: 'lost', reason: 'Host EC2' } });
    await startAttempt(id, { number: 2 });
    expect(await logsOf(id)).toEqual([[], [{ exit_code: -1 }]]);
  });
});

describe('a finished task', () => {
  const result: ResultRecord = {
    startedMs: 6000,
    endedMs: 8000,
    missingOutputs: [],
    executors: [
      { exitCode: 3, startedMs: 6100, endedMs: 6200 },
      { exitCode: 0, startedMs: 6200, endedMs: 6300 },
    ],
    outputs: [
      { output: 0, path: '', sizeBytes: 12, crc64nvme: 'x', etag: '' },
      { output: 1, path: 'x/y', sizeBytes: 5_000_000_000, crc64nvme: 'x', etag: '' },
      { output: 2, path: 'l.txt', sizeBytes: 0, crc64nvme: 'x', etag: '' },
    ],
  };

  test('a finished task shows its last attempt last, its outputs with sizes, and its logs in FULL only', async () => {
    const id = await post(whole);
    await startAttempt(id, {
      number: 1,
      ended: { outcome: 'lost', reason: 'Host EC2 terminated' },
    });
    const key = await startAttempt(id, {
      number: 2,
      ended: { outcome: 'succeeded', exitCode: 0, result },
    });
    await end(id, 'done');
    world.logs.texts.set(`${prefixOf(key)}logs/00001/1/0.stdout`, 'said');
    world.logs.texts.set(`${prefixOf(key)}logs/00001/1/1.stderr`, 'sworn');

    const full = await get(id, 'FULL');
    expect(full.state).toBe('COMPLETE');
    expect(full.logs).toHaveLength(2);
    expect(full.logs[1]).toEqual({
      start_time: '1970-01-01T00:00:06.000Z',
      end_time: '1970-01-01T00:00:08.000Z',
      metadata: {
        attempt: '2',
        submission: key,
        queue: 'fast',
        batch_job_id: 'job-1:1',
        wall_seconds: '0.2',
      },
      logs: [
        {
          exit_code: 3,
          start_time: '1970-01-01T00:00:06.100Z',
          end_time: '1970-01-01T00:00:06.200Z',
          stdout: 'said',
        },
        {
          exit_code: 0,
          start_time: '1970-01-01T00:00:06.200Z',
          end_time: '1970-01-01T00:00:06.300Z',
          stderr: 'sworn',
        },
      ],
      outputs: [
        { url: 's3://out/a.bam', path: '/out/a.bam', size_bytes: '12' },
        { url: 's3://out/parts/x/y', path: '/parts/x/y', size_bytes: '5000000000' },
        { url: 's3://out/logs/l.txt', path: '/logs/l.txt', size_bytes: '0' },
      ],
      system_logs: WARNINGS,
    });
    expect(full.logs[0]).toMatchObject({
      metadata: { attempt: '1' },
      system_logs: ['Host EC2 terminated'],
      outputs: [],
    });

    const basic = await get(id, 'BASIC');
    expect(JSON.stringify(basic.logs)).not.toMatch(/stdout|stderr|system_logs/);
    expect(await world.call('GET', `/v1/tasks/${id}/logs?stream=stderr&executor=1`)).toMatchObject({
      status: 200,
      text: 'sworn',
    });
    expect(await world.call('GET', `/v1/tasks/${id}/logs?executor=7`)).toMatchObject({
      status: 404,
      json: { message: expect.stringContaining('Executor 7') },
    });
  });

  test('a cache hit looks as if it had run, with the outputs at its own URLs', async () => {
    const id = await post(whole);
    await sql(
      "INSERT INTO cache_entries (id, domain, fingerprint, listed_fingerprint, task_id, created_ms) VALUES (77, '', ?, ?, 1, 1)",
      [Buffer.alloc(32), Buffer.alloc(32)],
    );
    await sql(
      "INSERT INTO cache_outputs (entry_id, position, output, path, url, size_bytes, crc64nvme, etag) VALUES (77, 0, 0, '', 's3://old/a.bam', 12, 'x', ''), (77, 1, 1, 'x/y', 's3://old/parts/x/y', 3, 'x', '')",
    );
    await end(id, 'done', ', hit_entry_id = 77');
    const full = await get(id, 'FULL');
    expect(full).toMatchObject({
      state: 'COMPLETE',
      logs: [
        {
          metadata: { cache: 'hit' },
          logs: [{ exit_code: 0 }, { exit_code: 0 }, { exit_code: 0 }],
        },
      ],
    });
    expect(full.logs[0]!.outputs).toEqual([
      { url: 's3://out/a.bam', path: '/out/a.bam', size_bytes: '12' },
      { url: 's3://out/parts/x/y', path: '/parts/x/y', size_bytes: '3' },
    ]);
  });
});
