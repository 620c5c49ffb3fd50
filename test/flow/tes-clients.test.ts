/** What TES clients rely on. Each test is named after the client that breaks without it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseId } from '../../core/ids.ts';
import { finalLog } from '../../packages/client/client.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { violations } from '../tes-spec.ts';

const TES = '/ga4gh/tes/v1';
const simple = { executors: [{ image: 'alpine', command: ['true'] }] };

let world: ApiWorld;
let guarded: ApiWorld;
beforeAll(async () => {
  [world, guarded] = await Promise.all([
    startApiWorld({ sharedFolders: ['/mnt'] }),
    startApiWorld({ tokens: ['ann:ann-token'] }),
  ]);
});
afterAll(() => Promise.all([world.close(), guarded.close()]));

const post = async (task: object, path = TES): Promise<string> => {
  const made = await world.call('POST', `${path}/tasks`, task);
  expect([made.status, made.text]).toEqual([200, expect.stringContaining('"id"')]);
  return made.json.id;
};
const full = async (id: string, query = '') =>
  (await world.call('GET', `${TES}/tasks/${id}?view=FULL${query}`)).json;
const sql = (statement: string, values: unknown[] = []) =>
  world.database.pool.query(statement, values);
const keyOf = (id: string) => parseId('task', id)?.key ?? 0;

describe('nf-ga4gh (Nextflow)', () => {
  test('nf-ga4gh sends no credentials, so its token is in the path', async () => {
    const base = `/t/ann-token${TES}`;
    const made = await guarded.call('POST', `${base}/tasks`, simple);
    expect(made.status).toBe(200);
    expect((await guarded.call('GET', `${base}/tasks/${made.json.id}`)).json.state).toBe('QUEUED');
    expect((await guarded.call('GET', `${base}/tasks/service-info`)).status).toBe(200);
    expect((await guarded.call('POST', `/t/wrong${TES}/tasks`, simple)).status).toBe(401);
  });

  test('nf-ga4gh reads logs[0].logs[0].exit_code, so the final attempt comes first', async () => {
    const id = await post({ ...simple, tags: { 'batchwell.profile': 'nextflow' } });
    const other = await post(simple);
    for (const [task, number, exitCode] of [
      [id, 1, 9],
      [id, 2, 4],
      [other, 1, 9],
      [other, 2, 4],
    ] as const) {
      const [made] = await sql(
        "INSERT INTO submissions (secret, installation, owner, submission_key, shape, state, size, open, queue, job_definition_id, job_id, ended_ms, created_ms) VALUES (REPEAT('s', 32), '00', '', ?, ?, 'ended', 1, 0, 'q', 1, 'job', 5, 1)",
        [`${task}.${number}`.slice(0, 40), Buffer.alloc(16)],
      );
      await sql(
        "INSERT INTO attempts (task_id, number, submission_id, array_index, outcome, exit_code, created_ms, ended_ms) VALUES (?, ?, ?, 0, 'failed', ?, 1, 2)",
        [keyOf(task), number, (made as { insertId: number }).insertId, exitCode],
      );
    }
    expect((await full(id)).logs.map(({ logs }) => logs[0]?.exit_code)).toEqual([4, 9]);
    // Toil and Sprocket read the last one, as TES defines. So does every client that is not known
    // to read the first.
    expect((await full(other)).logs.map(({ logs }) => logs[0]?.exit_code)).toEqual([9, 4]);
    expect([finalLog(await full(id)), finalLog(await full(other))]).toMatchObject([
      { logs: [{ exit_code: 4 }] },
      { logs: [{ exit_code: 4 }] },
    ]);
  });
});

describe('py-tes', () => {
  test('py-tes finds the service under either prefix and tries the next one only on 404, even without a token', async () => {
    for (const path of [TES, '/v1'])
      expect(
        violations('tesServiceInfo', (await guarded.call('GET', `${path}/service-info`)).json),
      ).toEqual([]);
    for (const path of ['/ga4gh/tes/v2/tasks', '/tasks', '/service-info'])
      expect((await guarded.call('GET', path)).status).toBe(404);
  });

  test('py-tes 0.4 asks for service-info at the path of TES 1.0, and refuses fields that TES 1.0 lacks', async () => {
    for (const path of [TES, '/v1'])
      expect((await world.call('GET', `${path}/tasks/service-info`)).json).toEqual({
        name: 'Batchwell',
        doc: expect.any(String),
        storage: ['s3://', 'file:///mnt'],
      });
  });

  test('py-tes cancels with an empty body that claims to be JSON, and learns by 404 that a prefix is not served', async () => {
    const id = await post(simple);
    for (const [path, status] of [
      ['/ga4gh/tes/ga4gh/tes/v1', 404],
      ['/ga4gh/tes/v2', 404],
      [TES, 200],
    ] as const) {
      const answer = await fetch(`${world.url}${path}/tasks/${id}:cancel`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      });
      expect([path, answer.status]).toEqual([path, status]);
    }
  });

  test('py-tes refuses replies with an unknown field', async () => {
    const id = await post({
      ...simple,
      name: 'n',
      tags: { a: 'b' },
      inputs: [{ content: 'x', path: '/x' }],
      resources: { backend_parameters: { queue: 'q' } },
    });
    for (const view of ['MINIMAL', 'BASIC', 'FULL'])
      expect(
        violations(
          'tesTask',
          (await world.call('GET', `${TES}/tasks/${id}?view=${view}`)).json,
          view,
        ),
      ).toEqual([]);
  });
});

describe('Snakemake, Pulsar and Cromwell', () => {
  test('states that TES 1.1 added are shown on request only, because Snakemake, Pulsar and Cromwell hang or crash on them', async () => {
    const [lost, cancelled] = [await post(simple), await post(simple)];
    await sql(
      "UPDATE tasks SET place = 'failed', failure_code = 'host-lost', ended_ms = 5 WHERE id = ?",
      [keyOf(lost)],
    );
    const [made] = await sql(
      "INSERT INTO submissions (secret, installation, owner, submission_key, shape, state, size, open, queue, job_definition_id, job_id, created_ms) VALUES (REPEAT('s', 32), '00', '', 'cl', ?, 'running', 1, 1, 'q', 1, 'job', 1)",
      [Buffer.alloc(16)],
    );
    await sql(
      "UPDATE tasks SET place = 'cancelled', submission_id = ?, ended_ms = 5 WHERE id = ?",
      [(made as { insertId: number }).insertId, keyOf(cancelled)],
    );
    const states = async (query: string) =>
      Promise.all(
        [lost, cancelled].map(
          async (id) => (await world.call('GET', `${TES}/tasks/${id}?${query}`)).json.state,
        ),
      );
    expect(await states('view=MINIMAL')).toEqual(['SYSTEM_ERROR', 'CANCELED']);
    expect(await states('states=1.1')).toEqual(['PREEMPTED', 'CANCELING']);
    await sql("UPDATE submissions SET state = 'ended', ended_ms = 6 WHERE submission_key = 'cl'");
    expect(await states('states=1.1')).toEqual(['PREEMPTED', 'CANCELED']);
  });

  test('Pulsar, named by a tag, sees INITIALIZING instead of QUEUED', async () => {
    const id = await post({ ...simple, tags: { 'batchwell.profile': 'pulsar' } });
    expect((await full(id)).state).toBe('INITIALIZING');
  });
});

describe('Cromwell', () => {
  test('Cromwell sends null for unset fields, bare paths, and an output that is also an input', async () => {
    const file = { url: '/mnt/x/script', path: '/mnt/x/script', type: 'FILE' };
    const id = await post({
      ...simple,
      description: null,
      inputs: [{ ...file, content: null }],
      outputs: [file, { url: 'file:///mnt/d/', path: '/d/', type: null }],
      resources: {
        cpu_cores: null,
        backend_parameters: { queueArn: null, internal_path_prefix: '/x' },
      },
      volumes: null,
      tags: { workflow_id: 'w', parent_workflow_id: null },
    });
    const shown = await full(id);
    expect(shown).toMatchObject({
      tags: { workflow_id: 'w' },
      resources: { cpu_cores: 1 },
      outputs: [{ type: 'FILE' }, { type: 'DIRECTORY' }],
    });
    expect(shown.tags).not.toHaveProperty('parent_workflow_id');
    expect(shown.logs[0]?.system_logs ?? []).toEqual([]);
  });

  test('Cromwell reads only application/json, and gets times and sizes in its form', async () => {
    const id = await post(simple);
    const answer = await world.call('GET', `${TES}/tasks/${id}?view=FULL`);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.json.creation_time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Number.isInteger(answer.json.resources?.cpu_cores)).toBe(true);
  });

  test('Cromwell cancels an ended task, and cancels it again', async () => {
    const id = await post(simple);
    await sql("UPDATE tasks SET place = 'done', ended_ms = 5 WHERE id = ?", [keyOf(id)]);
    for (let round = 0; round < 2; round += 1)
      expect(await world.call('POST', `${TES}/tasks/${id}:cancel`, '')).toMatchObject({
        status: 200,
        text: '{}',
      });
    expect((await world.call('POST', `${TES}/tasks/task-zz-000000:cancel`, '')).status).toBe(404);
  });
});

describe('@elixir-cloud/tes', () => {
  test('@elixir-cloud/tes cancels by DELETE, from a page of another origin', async () => {
    const auth = { authorization: 'Bearer ann-token', origin: 'https://elsewhere.example' };
    const made = await guarded.call('POST', `${TES}/tasks`, simple, auth);
    const asked = await guarded.call('OPTIONS', `${TES}/tasks/${made.json.id}:cancel`, undefined, {
      ...auth,
      'access-control-request-method': 'DELETE',
      'access-control-request-headers': 'authorization',
    });
    expect([asked.status, asked.headers.get('access-control-allow-methods')]).toEqual([
      204,
      expect.stringContaining('DELETE'),
    ]);
    const cancelled = await guarded.call(
      'DELETE',
      `${TES}/tasks/${made.json.id}:cancel`,
      undefined,
      auth,
    );
    expect([cancelled.status, cancelled.headers.get('access-control-allow-origin')]).toEqual([
      200,
      '*',
    ]);
  });
});

describe('the GA4GH suite', () => {
  test('the GA4GH suite wants a log for each executor that will surely run, just after POST', async () => {
    const executors = [
      { ...simple.executors[0], ignore_error: true },
      simple.executors[0],
      simple.executors[0],
    ];
    expect((await full(await post({ executors }))).logs[0]?.logs).toEqual([
      { exit_code: -1 },
      { exit_code: -1 },
    ]);
  });

  test('the GA4GH suite wants unknown backend parameters refused if strict, and otherwise reported in system_logs', async () => {
    const resources = { backend_parameters: { VmSize: 'big' } };
    expect(
      (
        await world.call('POST', `${TES}/tasks`, {
          ...simple,
          resources: { ...resources, backend_parameters_strict: true },
        })
      ).status,
    ).toBe(400);
    expect((await full(await post({ ...simple, resources }))).logs[0]?.system_logs).toEqual([
      expect.stringContaining('"VmSize"'),
    ]);
  });

  test('the GA4GH suite sends inputs that do not exist, and they are accepted', async () => {
    expect(
      (
        await full(
          await post({ ...simple, inputs: [{ url: 's3://no-such-bucket-here/x', path: '/x' }] }),
        )
      ).state,
    ).toBe('QUEUED');
  });
});

test('Toil sends identical tasks without outputs on purpose, and they are neither merged nor cached', async () => {
  const task = { ...simple, name: 'toil', tags: { 'batchwell.cache': 'readwrite' } };
  const ids = await Promise.all([post(task), post(task)]);
  expect(new Set(ids).size).toBe(2);
  const [rows] = await sql('SELECT DISTINCT cache FROM tasks WHERE id IN (?)', [ids.map(keyOf)]);
  expect(rows).toEqual([{ cache: 'off' }]);
});

test('Sprocket lists the tasks of a run by tag every second, 2,047 a page, and the list uses the tag’s index', async () => {
  for (let number = 0; number < 3; number += 1)
    await post({ ...simple, tags: { run: 'sprocket-1' } });
  const listed = await world.call(
    'GET',
    `${TES}/tasks?tag_key=run&tag_value=sprocket-1&page_size=2047&view=FULL`,
  );
  expect([
    listed.status,
    listed.json.tasks.length,
    violations('tesListTasksResponse', listed.json),
  ]).toEqual([200, 3, []]);
  const [plan] = await sql(
    "EXPLAIN FORMAT=TRADITIONAL SELECT t.id FROM task_tags g0 FORCE INDEX (PRIMARY) STRAIGHT_JOIN tasks t WHERE g0.tag_key = 'run' AND g0.task_id = t.id AND g0.tag_value = 'sprocket-1' ORDER BY g0.task_id DESC LIMIT 2048",
  );
  expect(
    (plan as { table: string; key: string; Extra: string }[]).map(({ table, key }) => [table, key]),
  ).toEqual([
    ['g0', 'PRIMARY'],
    ['t', 'PRIMARY'],
  ]);
  expect((plan as { Extra: string }[])[0]?.Extra).not.toContain('filesort');
});
