import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseId } from '../../core/ids.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { violations } from '../tes-spec.ts';

const TES = '/ga4gh/tes/v1';
let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld();
});
afterAll(() => world.close());

const simple = { executors: [{ image: 'alpine', command: ['true'] }] };
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

const post = async (task: object): Promise<string> => {
  const made = await world.call('POST', `${TES}/tasks`, task);
  expect(violations('tesCreateTaskResponse', made.json)).toEqual([]);
  return made.json.id;
};
const get = async (id: string, view: string) => {
  const { json, status } = await world.call('GET', `${TES}/tasks/${id}?view=${view}`);
  expect([status, violations('tesTask', json, view)]).toEqual([200, []]);
  return json;
};
const list = async (query: string) => {
  const view = new URLSearchParams(query).get('view') ?? 'MINIMAL';
  const { json, status } = await world.call('GET', `${TES}/tasks?${query}`);
  expect([status, violations('tesListTasksResponse', json, view)]).toEqual([200, []]);
  return json as {
    tasks: { id: string; state: string; name?: string }[];
    next_page_token?: string;
  };
};
const sql = (statement: string, values: unknown[] = []) =>
  world.database.pool.query(
    statement,
    values.map((value) => value ?? null),
  );
const keyOf = (id: string) => parseId('task', id)?.key ?? 0;

interface Ended {
  outcome: string;
  exitCode?: number;
  reason?: string;
  result?: ResultRecord;
}

let submissions = 0;
/** As the workers would: an attempt of the task in a submission of its own, whose key is returned. */
async function tryTask(
  id: string,
  { number = 1, runningMs, ended }: { number?: number; runningMs?: number; ended?: Ended } = {},
): Promise<string> {
  submissions += 1;
  const key = `key${submissions}`;
  const [made] = await sql(
    "INSERT INTO submissions (submission_key, shape, state, size, queue, job_definition_id, job_id, running_ms, created_ms) VALUES (?, ?, 'running', 2, 'fast', 1, 'job-1', ?, 1)",
    [key, Buffer.alloc(16), runningMs],
  );
  const submissionId = (made as { insertId: number }).insertId;
  await sql(
    'INSERT INTO attempts (task_id, number, submission_id, array_index, created_ms) VALUES (?, ?, ?, 1, 1)',
    [keyOf(id), number, submissionId],
  );
  await sql("UPDATE tasks SET place = 'poll', submission_id = ?, attempt = ? WHERE id = ?", [
    submissionId,
    number,
    keyOf(id),
  ]);
  if (ended) {
    const { outcome, exitCode, reason, result } = ended;
    await sql(
      'UPDATE attempts SET outcome = ?, exit_code = ?, reason = ?, result = ?, batch_attempt = 1, ended_ms = 9000 WHERE task_id = ? AND number = ?',
      [outcome, exitCode, reason, result && JSON.stringify(result), keyOf(id), number],
    );
  }
  return key;
}
const end = (id: string, place: string, more = '') =>
  sql(`UPDATE tasks SET place = ?, ended_ms = 10000 ${more} WHERE id = ?`, [place, keyOf(id)]);

describe('a new task', () => {
  test('is QUEUED, and is shown in three views as the spec says', async () => {
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
    expect(basic.logs).toEqual([{ logs: [{ exit_code: -1 }, { exit_code: -1 }], outputs: [] }]);
    const full = await get(id, 'FULL');
    expect(full.inputs![1]!.content).toBe('echo hi');
    expect(full.logs[0]!.system_logs).toEqual([expect.stringContaining('"VmSize"')]);
  });

  test('is announced to the workers and left to the sweeper at its due time', async () => {
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

  test('concurrent POSTs each get an id of their own, in one template', async () => {
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

describe('states follow the place', () => {
  test.each([
    ['cache-check', 'QUEUED'],
    ['stage-script', 'QUEUED'],
    ['finalize', 'RUNNING'],
  ])('%s is %s', async (place, state) => {
    const id = await post(simple);
    await sql('UPDATE tasks SET place = ? WHERE id = ?', [place, keyOf(id)]);
    expect(await get(id, 'MINIMAL')).toEqual({ id, state });
  });

  test('poll is RUNNING once its submission was seen running', async () => {
    const id = await post(simple);
    const key = await tryTask(id);
    expect((await get(id, 'MINIMAL')).state).toBe('QUEUED');
    await sql('UPDATE submissions SET running_ms = 5000 WHERE submission_key = ?', [key]);
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

  test('failed is whose fault it was, with the sentence in the system logs', async () => {
    const id = await post(simple);
    await tryTask(id, { ended: { outcome: 'failed', exitCode: 137, reason: 'OutOfMemoryError' } });
    await end(id, 'failed', ", failure_code = 'out-of-memory', failure = 'It needed more.'");
    expect(await get(id, 'FULL')).toMatchObject({
      state: 'EXECUTOR_ERROR',
      logs: [{ logs: [{ exit_code: 137 }], system_logs: ['It needed more.', 'OutOfMemoryError'] }],
    });
    await sql("UPDATE tasks SET failure_code = 'host-lost' WHERE id = ?", [keyOf(id)]);
    expect((await get(id, 'MINIMAL')).state).toBe('SYSTEM_ERROR');
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

  test('shows its last attempt last, its outputs with sizes, and the ends of its logs in FULL only', async () => {
    const id = await post(whole);
    await tryTask(id, { number: 1, ended: { outcome: 'lost', reason: 'Host EC2 terminated' } });
    const key = await tryTask(id, {
      number: 2,
      ended: { outcome: 'succeeded', exitCode: 0, result },
    });
    await end(id, 'done');
    world.logs.texts.set(`submissions/${key}/logs/00001/1/0.stdout`, 'said');
    world.logs.texts.set(`submissions/${key}/logs/00001/1/1.stderr`, 'sworn');

    const full = await get(id, 'FULL');
    expect(full.state).toBe('COMPLETE');
    expect(full.logs).toHaveLength(2);
    expect(full.logs[1]).toEqual({
      start_time: '1970-01-01T00:00:06.000Z',
      end_time: '1970-01-01T00:00:08.000Z',
      metadata: { attempt: '2', submission: key, batch_job_id: 'job-1:1' },
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
      system_logs: [expect.stringContaining('"VmSize"')],
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

  test('that was a cache hit looks executed, with the outputs at its own urls', async () => {
    const id = await post(whole);
    await sql(
      "INSERT INTO cache_entries (id, domain, fingerprint, task_id, created_ms) VALUES (77, '', ?, 1, 1)",
      [Buffer.alloc(32)],
    );
    await sql(
      "INSERT INTO cache_outputs (entry_id, position, output, path, url, size_bytes, crc64nvme) VALUES (77, 0, 0, '', 's3://old/a.bam', 12, 'x'), (77, 1, 1, 'x/y', 's3://old/parts/x/y', 3, 'x')",
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

const tagged = (tags: object) => post({ ...simple, tags: { list: 'tags', ...tags } });
const foundByTag = async (query: string) =>
  (await list(`tag_key=list&tag_value=tags&${query}`)).tasks.map(({ id }) => id);

describe('lists', () => {
  test('are newest first and in pages, and the last page has no token', async () => {
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1)
      ids.unshift(await post({ ...simple, tags: { page: 'yes' } }));
    const first = await list('tag_key=page&page_size=2');
    const second = await list(`tag_key=page&page_size=2&page_token=${first.next_page_token}`);
    const third = await list(`tag_key=page&page_size=2&page_token=${second.next_page_token}`);
    expect([first, second, third].map(({ tasks }) => tasks.map(({ id }) => id))).toEqual([
      ids.slice(0, 2),
      ids.slice(2, 4),
      ids.slice(4),
    ]);
    expect(third).not.toHaveProperty('next_page_token');
  });

  test('filter by tags as the spec’s table says, byte by byte', async () => {
    const [bar, bat, both, empty, other] = [
      await tagged({ foo: 'bar' }),
      await tagged({ foo: 'bat' }),
      await tagged({ foo: 'bar', baz: 'bat' }),
      await tagged({ foo: '' }),
      await tagged({ Foo: 'bar', 'foo ': 'bar' }),
    ];
    expect(await foundByTag('tag_key=foo&tag_value=bar')).toEqual([both, bar]);
    expect(await foundByTag('tag_key=foo')).toEqual([empty, both, bat, bar]);
    expect(await foundByTag('tag_key=foo&tag_value=bar&tag_key=baz&tag_value=bat')).toEqual([both]);
    expect(await foundByTag('tag_key=Foo&tag_value=bar')).toEqual([other]);
    expect(await foundByTag('tag_key=nope')).toEqual([]);
  });

  test('filter by name prefix, whose wildcards mean nothing', async () => {
    const percent = await post({ ...simple, name: '50%_a' });
    await post({ ...simple, name: '50 apples' });
    expect((await list('name_prefix=50%25_')).tasks).toEqual([{ id: percent, state: 'QUEUED' }]);
    expect((await list('name_prefix=50%25_A')).tasks).toEqual([]);
  });

  test('filter by state: each task under its own state and no other', async () => {
    const made = await Promise.all(
      Array.from({ length: 7 }, () => post({ ...simple, tags: { filter: 'state' } })),
    );
    const [queued, waiting, running, done, failed, broken, cancelled] = made as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    await tryTask(waiting);
    await tryTask(running, { runningMs: 1 });
    await end(done, 'done');
    await end(failed, 'failed', ", failure_code = 'executor-failed'");
    await end(broken, 'failed', ", failure_code = 'of a later version'");
    await end(cancelled, 'cancelled');
    const expected = {
      QUEUED: [queued, waiting],
      RUNNING: [running],
      COMPLETE: [done],
      EXECUTOR_ERROR: [failed],
      SYSTEM_ERROR: [broken],
      CANCELED: [cancelled],
      PAUSED: [],
      PREEMPTED: [],
      UNKNOWN: [],
    };
    for (const [state, ids] of Object.entries(expected)) {
      const { tasks } = await list(`tag_key=filter&tag_value=state&state=${state}`);
      expect(tasks.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
      expect(tasks.every((task) => task.state === state)).toBe(true);
    }
    const views = await Promise.all(
      ['BASIC', 'FULL'].map((view) => list(`tag_key=filter&view=${view}`)),
    );
    expect(views.map(({ tasks }) => tasks.length)).toEqual([7, 7]);
  });

  test.each([
    ['page_size=2048', 'page_size'],
    ['page_size=0', 'page_size'],
    ['view=ALL', 'view'],
    ['state=DONE', 'state'],
    ['page_token=xyz', 'page_token'],
  ])('%s is refused', async (query, field) => {
    const answer = await world.call('GET', `${TES}/tasks?${query}`);
    expect(answer).toMatchObject({
      status: 400,
      json: { problems: [expect.objectContaining({ field })] },
    });
  });
});

describe('cancel', () => {
  test('is answered by an empty object, again too, and by 404 for an unknown id', async () => {
    const id = await post(simple);
    await tryTask(id, { runningMs: 1 });
    await world.queues.byStage.poll.obliterate({ force: true });
    for (const [method, path] of [
      ['POST', `${id}:cancel`],
      ['POST', `${id}%3acancel`],
      ['DELETE', `${id}:cancel`],
    ] as const) {
      const answer = await world.call(method, `${TES}/tasks/${path}`);
      expect([
        answer.status,
        answer.text,
        violations('tesCancelTaskResponse', answer.json),
      ]).toEqual([200, '{}', []]);
    }
    expect((await get(id, 'MINIMAL')).state).toBe('CANCELED');
    await expect
      .poll(async () =>
        (await world.queues.byStage.poll.getJobs(['waiting'])).map(({ data }) => data),
      )
      .toEqual([{ queue: 'fast' }]);
    for (const unknown of ['task-zzz-000000', 'nonsense', `${id.slice(0, -1)}x`])
      expect((await world.call('POST', `${TES}/tasks/${unknown}:cancel`)).status).toBe(404);
  });

  test('takes whatever body a client sends with it', async () => {
    const id = await post(simple);
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/weird']) {
      expect(
        (await world.call('POST', `${TES}/tasks/${id}:cancel`, '', { 'content-type': type }))
          .status,
      ).toBe(200);
    }
  });

  test('leaves a finished task as it is', async () => {
    const id = await post(simple);
    await end(id, 'done');
    expect((await world.call('POST', `${TES}/tasks/${id}:cancel`)).status).toBe(200);
    expect((await get(id, 'MINIMAL')).state).toBe('COMPLETE');
  });
});

test('service-info is as the spec says, under both paths', async () => {
  for (const path of [TES, '/v1'])
    expect(
      violations('tesServiceInfo', (await world.call('GET', `${path}/service-info`)).json),
    ).toEqual([]);
});

test('the spec check itself bites', () => {
  expect(violations('tesTask', { id: 'x', state: 'QUEUED', executors: [], extra: 1 })).not.toEqual(
    [],
  );
  expect(violations('tesTask', { state: 'DONE' })).not.toEqual([]);
});
