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
