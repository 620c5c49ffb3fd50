import { afterAll, beforeAll, expect, it, vi } from 'vitest';
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

it('each request is counted by the template of its route, its method and its code, never by its path', async () => {
  const { json } = await world.call('POST', '/ga4gh/tes/v1/tasks', simple);
  await world.call('GET', `/ga4gh/tes/v1/tasks/${json.id}`);
  await world.call('GET', '/ga4gh/tes/v1/tasks/task-1-none');
  await world.call('GET', '/some/path/that/is/secret-1');
  const { text } = await world.call('GET', '/metrics');
  const route = 'route="/ga4gh/tes/v1/tasks/:id",method="GET"';
  expect(text).toContain(`batchwell_http_requests_total{${route},code="200"} 1\n`);
  expect(text).toContain(`batchwell_http_requests_total{${route},code="404"} 1\n`);
  expect(text).toContain(
    'batchwell_http_requests_total{route="(none)",method="GET",code="404"} 1\n',
  );
  expect(text).toContain(`batchwell_http_request_seconds_count{${route}} 2\n`);
  expect(text).toContain('batchwell_http_errors_total 0\n');
  expect(text).not.toContain('secret-1');
  expect(text).not.toContain(String(json.id));
  expect(text).toMatch(/batchwell_build_info\{version="[\d.]+",node="24\.[\d.]+"\} 1\n/);
  expect(text).toContain('batchwell_database_connections{state="waited-for"} 0\n');
});

it('a request whose reply lasts is counted but not timed, and one whose client leaves is aborted', async () => {
  const { json } = await world.call('POST', '/ga4gh/tes/v1/tasks', simple);
  const path = `/ga4gh/tes/v1/tasks/${json.id}?wait=20s`;
  const route = 'route="/ga4gh/tes/v1/tasks/:id",method="GET"';
  const timed = async (): Promise<string> =>
    (await world.call('GET', '/metrics')).text
      .split('\n')
      .filter((line) => line.startsWith(`batchwell_http_request_seconds_count{${route}}`))
      .join('');
  const before = await timed();
  await vi.waitFor(
    async () => {
      // One that is broken off too early never reaches the API; the next one does.
      const leaving = new AbortController();
      const waiting = fetch(new URL(path, world.url), { signal: leaving.signal });
      await world.call('GET', '/healthz');
      leaving.abort();
      await expect(waiting).rejects.toThrow('aborted');
      const { text } = await world.call('GET', '/metrics');
      expect(text).toContain(`batchwell_http_requests_total{${route},code="aborted"}`);
      // The request for the metrics itself.
      expect(text).toContain('batchwell_http_requests_in_progress 1\n');
    },
    { timeout: 20_000 },
  );
  expect(await timed()).toBe(before);
});
