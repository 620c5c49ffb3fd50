import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld();
});
afterAll(() => world.close());

const simple = { executors: [{ image: 'alpine', command: ['true'] }] };

it('the API counts accepted tasks by kind and cancelled tasks, but not refused or ended ones', async () => {
  const { json } = await world.call('POST', '/ga4gh/tes/v1/tasks', simple);
  await world.call('POST', '/ga4gh/tes/v1/tasks', { executors: [] });
  const scatter = await world.call('POST', '/v1/scatters', {
    template: simple,
    rows: [{}, {}, {}],
  });
  expect(scatter.json).toMatchObject({ id: expect.any(String) });
  await world.call('POST', `/ga4gh/tes/v1/tasks/${json.id}:cancel`);
  await world.call('POST', `/ga4gh/tes/v1/tasks/${json.id}:cancel`);

  const { text } = await world.call('GET', '/metrics');
  expect(text).toContain('batchwell_tasks_accepted_total{kind="single"} 1\n');
  expect(text).toContain('batchwell_tasks_accepted_total{kind="scatter"} 3\n');
  expect(text).toContain('batchwell_stage_entered_tasks_total{stage="cache-check"} 4\n');
  expect(text).toContain('batchwell_tasks_ended_total{place="cancelled"} 1\n');
  expect(text).toContain('batchwell_dependency_up{dependency="mysql"} 1\n');
  expect(text).toContain('batchwell_dependency_up{dependency="redis"} 1\n');
});
