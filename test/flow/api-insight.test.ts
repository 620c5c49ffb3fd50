/** What the API shows of a task beyond TES: its timeline, and a dry run. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld();
});
afterAll(() => world.close());

const task = {
  inputs: [{ url: 's3://data/in', path: '/in' }],
  outputs: [{ url: 's3://data/out', path: '/out' }],
  executors: [{ image: 'alpine:3', command: ['cp', '/in', '/out'] }],
  resources: {
    cpu_cores: 2,
    backend_parameters: { queue: 'fast', cache: 'readwrite', VmSize: 'x' },
  },
};
const body = <T>(text: string): T => JSON.parse(text) as T;

test('the timeline of a new task shows that it is being checked', async () => {
  const {
    json: { id },
  } = await world.call('POST', '/v1/tasks', task);
  const answer = await world.call('GET', `/v1/tasks/${id}/timeline`);
  expect(body(answer.text)).toEqual({
    spans: [
      { what: 'cache-check', from: expect.stringMatching(/^\d{4}-/), ms: expect.any(Number) },
    ],
  });
  expect((await world.call('GET', '/v1/tasks/task-1-000000/timeline')).status).toBe(404);
});

describe('a dry run', () => {
  test('a dry run returns queue, definition, script, warnings and cache verdict, and stores nothing', async () => {
    const [before] = await world.database.pool.query('SELECT COUNT(*) AS count FROM tasks');
    const answer = await world.call('POST', '/v1/tasks:validate', task);
    expect(answer.status).toBe(200);
    const said = body<{ script: string; warnings: string[] }>(answer.text);
    expect(said).toMatchObject({
      client: 'generic',
      queue: 'fast',
      cache: { mode: 'readwrite', verdict: 'unreadable-input' },
      warnings: [expect.stringContaining('VmSize')],
      job_definition: {
        containerProperties: {
          image: 'alpine:3',
          resourceRequirements: expect.arrayContaining([{ type: 'VCPU', value: '2' }]),
        },
      },
    });
    const {
      json: { id },
    } = await world.call('POST', '/v1/tasks', task);
    expect(
      (await world.call('GET', `/v1/tasks/${id}/script`)).text,
      'the very text that such a task runs',
    ).toBe(said.script);
    const [after] = await world.database.pool.query('SELECT COUNT(*) AS count FROM tasks');
    expect((after as { count: number }[])[0]?.count).toBe(
      Number((before as { count: number }[])[0]?.count) + 1,
    );
  });

  test('a dry run reports every problem as a POST does', async () => {
    const bad = { executors: [{ image: '', command: [] }] };
    const [dry, real] = [
      await world.call('POST', '/v1/tasks:validate', bad),
      await world.call('POST', '/v1/tasks', bad),
    ];
    expect([dry.status, dry.json.problems]).toEqual([400, real.json.problems]);
  });
});

test('codes of a later version in the rows are shown as they are', async () => {
  const scatter = await world.call('POST', '/v1/scatters?ids=true', {
    name: 'later',
    template: { executors: [{ image: 'alpine:3', command: ['{{n}}'] }] },
    rows: [{ n: 'a' }],
  });
  const { id } = body<{ id: string }>(scatter.text);
  const [taskId = ''] = scatter.json.task_ids;
  await world.database.pool.query(
    `UPDATE tasks SET place = 'failed', ended_ms = ?, due_ms = NULL, failure_code = 'of-later', failure = 'Later.',
      cache_verdict = 'perhaps', cache_reason = 'of-later', cache_unkept = 'of-later'
      WHERE scatter_id IS NOT NULL`,
    [Date.now()],
  );
  const answers: string[] = [];
  for (const path of [
    `/v1/tasks/${taskId}?view=FULL`,
    `/v1/tasks/${taskId}/timeline`,
    `/v1/tasks/${taskId}/cache-explanation`,
    `/v1/scatters/${id}`,
    `/v1/scatters/${id}/cache-explanation`,
    `/v1/scatters/${id}/tasks?view=FULL`,
    `/v1/failures?scatter=${id}`,
    '/v1/summaries',
    '/v1/overview',
  ]) {
    const { status, text } = await world.call('GET', path);
    if (status !== 200) answers.push(`${path}: ${status} ${text}`);
  }
  expect(answers).toEqual([]);
  const { json } = await world.call('GET', `/v1/tasks/${taskId}?view=FULL`);
  expect([json.state, json.logs?.[0]?.system_logs]).toEqual([
    'SYSTEM_ERROR',
    expect.arrayContaining([expect.stringContaining('Later.')]),
  ]);
  const failures = await world.call('GET', `/v1/failures?scatter=${id}`);
  expect(body(failures.text)).toMatchObject({ groups: [{ code: 'of-later', tasks: 1 }] });
});
