import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { run, startFakeApi, type FakeApi } from './cli-world.ts';

const at = (seconds: number): string =>
  new Date(Date.UTC(2026, 10, 29, 10, 0, seconds)).toISOString();

const attempt = (number: number, from: number, to: number, more: Record<string, string> = {}) => ({
  logs: [],
  outputs: [],
  start_time: at(from),
  end_time: at(to),
  metadata: { attempt: String(number), queue: 'batchwell', ...more },
});

const tasks = [
  {
    id: 'task-1-aaaaaa',
    name: '<script>alert(1)</script>',
    state: 'COMPLETE',
    creation_time: at(0),
    resources: { cpu_cores: 2, ram_gb: 4 },
    logs: [
      attempt(1, 10, 20),
      attempt(2, 20, 3620, {
        wall_seconds: '3600',
        cpu_seconds: '3600',
        peak_memory_bytes: String(1024 ** 3),
      }),
    ],
  },
  {
    id: 'task-2-bbbbbb',
    name: 'hit',
    state: 'COMPLETE',
    creation_time: at(0),
    resources: { cpu_cores: 2, ram_gb: 4 },
    logs: [attempt(0, 0, 1, { cache: 'hit' })],
  },
  {
    id: 'task-3-cccccc',
    name: 'failed & gone',
    state: 'EXECUTOR_ERROR',
    creation_time: at(0),
    logs: [attempt(1, 5, 6)],
  },
];
const scatter = {
  id: 'scatter-1-bbbbbb',
  name: 'reads "of" <today>',
  size: 3,
  places: { done: 2, failed: 1 },
  states: {},
  tags: {},
  created: at(0),
  cache_hits: 1,
  ended: true,
};
const answers = {
  'GET /v1/scatters/scatter-1-bbbbbb': { body: scatter },
  'GET /v1/scatters/scatter-1-bbbbbb/tasks': { body: { tasks } },
  'GET /v1/scatters/scatter-1-bbbbbb/cache-explanation': {
    body: {
      explanation: [],
      groups: [{ tasks: 2, text: 'no entry yet', example: 'task-1-aaaaaa' }],
    },
  },
  'GET /v1/failures': {
    body: {
      failed: 1,
      more: false,
      groups: [
        {
          key: 'k',
          code: 'executor-failed',
          message: 'It exited with code 7 <now>.',
          tasks: 1,
          first: at(6),
          last: at(6),
          examples: ['task-3-cccccc'],
        },
      ],
    },
  },
};

let api: FakeApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

it('report writes one HTML file that refers to nothing else and runs nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-report-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'report.html');
  api = await startFakeApi(answers);
  const ran = await run(['report', 'scatter-1-bbbbbb', '--output', file], { api });
  expect(ran).toMatchObject({ code: 0, out: '' });
  const page = await readFile(file, 'utf8');
  expect(page).toMatch(/^<!doctype html>/);
  expect(page).not.toMatch(/<script|<link|<img|@import|url\(|https?:\/\//i);
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(page).toContain('reads &quot;of&quot; &lt;today&gt;');
  expect(page).toContain('It exited with code 7 &lt;now&gt;.');
  expect(page).toContain('no entry yet');
  expect(page.match(/<rect\s+class="(hit|done|failed)"/g)).toHaveLength(3);
});

it('the cost counts every attempt by what it asked for, and a hit costs nothing', async () => {
  api = await startFakeApi(answers);
  const { out } = await run(['report', 'scatter-1-bbbbbb', '--json'], { api });
  const facts = JSON.parse(out);
  // 3,610 s of 2 vCPUs and 4 GiB, and 1 s of 1 vCPU, by the built-in prices.
  const expected = (3610 / 3600) * (2 * 0.0357 + 4 * 0.0034) + (1 / 3600) * 0.0357;
  expect(facts.cost.total).toBeCloseTo(expected, 6);
  expect(facts).toMatchObject({
    retried: 1,
    runMs: 3_611_000,
    used: { tasks: 1, memoryShare: 0.25, cpuShare: 0.5 },
  });
  expect(facts.slowest.map(({ id }: { id: string }) => id)).toEqual([
    'task-1-aaaaaa',
    'task-3-cccccc',
  ]);
});

it('report of 10,000 tasks is one file of less than 3 MB', async () => {
  const many = Array.from({ length: 10_000 }, (_, n) => ({
    id: `task-${n.toString(36)}-aaaaaa`,
    name: `count ${n}`,
    state: 'COMPLETE',
    creation_time: at(0),
    logs: [attempt(1, n % 50, (n % 50) + 5)],
  }));
  api = await startFakeApi({
    ...answers,
    'GET /v1/scatters/scatter-1-bbbbbb/tasks': { body: { tasks: many } },
  });
  const { out, code } = await run(['report', 'scatter-1-bbbbbb', '--output', '-'], { api });
  expect(code).toBe(0);
  expect(out.length).toBeLessThan(3_000_000);
  expect(out.match(/<rect\s+class="done"/g)).toHaveLength(10_000);
});

it('report takes a scatter, and names a price file that cannot be used', async () => {
  expect(await run(['report', 'task-1-aaaaaa'])).toMatchObject({ code: 2 });
  api = await startFakeApi(answers);
  const ran = await run(['report', 'scatter-1-bbbbbb', '--output', '-'], {
    api,
    environment: { BATCHWELL_PRICE_FILE: '/no/such/prices.json' },
  });
  expect(ran.code).toBe(2);
  expect(ran.err).toContain('BATCHWELL_PRICE_FILE=/no/such/prices.json cannot be used');
});
