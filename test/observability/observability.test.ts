/**
 * A real scatter with faults, watched by a real Prometheus: every query of the dashboards, rules and
 * alerts gives values and no error, and Grafana's own panels draw them (npm run test:observability).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Stack } from '../../cli/stack.ts';
import { annotationsOf } from '../../scripts/alert-tests.ts';
import { dashboardFiles } from '../../scripts/dashboard.ts';
import { alertNames, metricNames, readOps } from '../ops-files.ts';
import { startPrometheus, type PrometheusServer } from '../prometheus.ts';
import { checkSchema, draw, type Drawn } from './draw.ts';
import { fillDashboard, panelsOf, readDashboard, type DashboardFile } from './panel-data.ts';
import { addFault, hasEnded, postScatter, startWatchedStack, type Owner } from './world.ts';

/** Panels of what this fleet does not have. Each says so itself: "No line: …". */
const EMPTY_HERE = new Set(['Credentials end in', 'Certificate ends in']);
/** Alerts are made to fire here by what the world does. */
const FIRING = ['BatchwellAwsDenied'];

/** Each task is a process of this machine. */
const WIDE = 100;

let stack: Stack;
let prometheus: PrometheusServer;
let dashboards: DashboardFile[];

const hostOf = (url: string): string => new URL(url).host;

beforeAll(async () => {
  stack = await startWatchedStack();
  prometheus = await startPrometheus({
    targets: {
      'batchwell-api': [hostOf(stack.apiUrl)],
      'batchwell-worker': stack.workerMetricsUrls.map(hostOf),
    },
    interval: '1s',
  });
  const startSeconds = Date.now() / 1000;
  // A counter has to be seen before it rises. Prometheus takes 5 s to find its targets.
  await vi.waitUntil(
    async () => (await prometheus.query('up{job=~"batchwell-.+"} == 1')).data.result.length === 3,
    { timeout: 60_000, interval: 500 },
  );
  await sleep(4000);
  await breakThings(stack);
  const wanted: [Owner, string][] = [];
  const post = async (owner: Owner, wish: Parameters<typeof postScatter>[1]): Promise<void> => {
    wanted.push([owner, await postScatter(stack, wish)]);
  };
  await post('ann', {
    owner: 'ann',
    name: 'wide',
    width: WIDE,
    command: 'sleep 0.3; echo {{n}} > /out/result.txt',
    cache: 'readwrite',
  });
  await post('bob', {
    owner: 'bob',
    name: 'wrong',
    width: 16,
    command: 'echo {{n}} > /out/result.txt; exit $(( {{n}} % 2 ))',
  });
  await fetch(new URL('/v1/nothing', stack.apiUrl));
  await untilEnded(wanted);
  // The same calls again: hits.
  await post('ann', {
    owner: 'ann',
    name: 'wide',
    width: WIDE,
    command: 'sleep 0.3; echo {{n}} > /out/result.txt',
    cache: 'readwrite',
  });
  await post('bob', {
    owner: 'bob',
    name: 'long',
    width: 6,
    command: 'sleep 15; echo {{n}} > /out/result.txt',
  });
  await sleep(20_000);
  const endSeconds = Date.now() / 1000;
  dashboards = dashboardFiles().map(readDashboard);
  for (const dashboard of dashboards)
    await fillDashboard(prometheus, dashboard, { startSeconds, endSeconds });
  drawnSpan = { startSeconds, endSeconds };
}, 900_000);

let drawnSpan: { startSeconds: number; endSeconds: number };

afterAll(async () => {
  await prometheus?.stop();
  await stack?.stop();
});

/** As AWS does now and then. */
async function breakThings({ localAws }: Stack): Promise<void> {
  if (!localAws) throw new Error('The stack has no local AWS.');
  const { batchUrl, s3Url } = localAws;
  const batch = { service: 'batch' } as const;
  await addFault(batchUrl, { ...batch, operation: 'ListJobs', kind: 'throttle', probability: 0.1 });
  await addFault(batchUrl, { ...batch, operation: 'StartAttempt', kind: 'spot-loss', times: 3 });
  await addFault(batchUrl, {
    ...batch,
    operation: 'StartAttempt',
    kind: 'host-fault',
    statusReason: 'Task failed to start',
    reason: 'CannotStartContainerError: no space left on device',
    times: 5,
  });
  await addFault(batchUrl, {
    ...batch,
    operation: 'RegisterJobDefinition',
    kind: 'error',
    status: 403,
    code: 'AccessDeniedException',
    message: 'not authorized to perform: batch:RegisterJobDefinition',
    times: 1,
  });
  await addFault(s3Url, {
    service: 's3',
    operation: 'PutObject',
    kind: 'error',
    status: 500,
    times: 3,
  });
}

const untilEnded = async (wanted: readonly [Owner, string][]): Promise<void> =>
  vi.waitFor(
    async () => {
      const ended = await Promise.all(wanted.map(([owner, id]) => hasEnded(stack, owner, id)));
      expect(ended).not.toContain(false);
    },
    { timeout: 600_000, interval: 500 },
  );

describe('queries', () => {
  it('every query of every panel is answered without an error', () => {
    const wrong = dashboards.flatMap((dashboard) =>
      panelsOf(dashboard).flatMap(({ title, targets = [] }) =>
        targets.flatMap(({ expr, error }) => (error === undefined ? [] : [{ title, expr, error }])),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('every panel has values', () => {
    const empty = dashboards.flatMap((dashboard) =>
      panelsOf(dashboard)
        .filter(({ targets = [] }) => !targets.some(({ result }) => hasValues(result)))
        .map(({ title }) => title),
    );
    expect(empty.filter((title) => !EMPTY_HERE.has(title))).toEqual([]);
  });

  it('every rule is evaluated without an error, and only what was broken fires', async () => {
    const { data } = await prometheus.ask<{
      data: {
        groups: {
          rules: { name: string; health: string; lastError?: string; state?: string }[];
        }[];
      };
    }>('/api/v1/rules');
    const rules = data.groups.flatMap((group) => group.rules);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name);
    expect(firing).toEqual(expect.arrayContaining(FIRING));
    expect(firing.filter((name) => !MAY_FIRE.has(name))).toEqual([]);
  });

  it.each(alertNames)('the first query of %s gives values', async (name) => {
    const query = new Map(annotationsOf(readOps('ops/prometheus/alerts.yml')).get(name)).get(
      'query',
    );
    const { status, data } = await prometheus.query((query ?? '').replaceAll("''", "'"));
    expect(status).toBe('success');
    // Compose alone has the job; this Prometheus has no Alertmanager to fail.
    expect(data.result.length > 0 || NOT_HERE.has(name)).toBe(true);
  });

  it('every metric that an alert or a recording rule names has a series', async () => {
    const text = readOps('ops/prometheus/alerts.yml') + readOps('ops/prometheus/recording.yml');
    const missing: string[] = [];
    for (const name of metricNames(text)) {
      const { data } = await prometheus.query(`count(${name})`);
      if (data.result.length === 0) missing.push(name);
    }
    expect(missing).toEqual([]);
  });

  it('Prometheus serves the page that the alerts link to', async () => {
    const page = await (await fetch(`${prometheus.url}/user/runbook.html`)).text();
    for (const name of alertNames) expect(page).toContain(`id="${name.toLowerCase()}"`);
  });
});

/** What the faults of this world may cause, beside what they must. */
const MAY_FIRE = new Set([
  ...FIRING,
  'BatchwellMonitoringFails', // no Alertmanager runs here
  'BatchwellAwsThrottled',
  'BatchwellHostFaults',
  'BatchwellProcessOverloaded',
  'BatchwellFailuresJump',
]);
const NOT_HERE = new Set(['BatchwellServiceGone']);

const hasValues = (result: { values: [number, string][] }[] = []): boolean =>
  result.some(({ values }) => values.some(([, value]) => Number.isFinite(Number(value))));

describe('pictures', () => {
  let drawn: Drawn[];
  beforeAll(async () => {
    drawn = await draw(dashboards, drawnSpan);
  }, 300_000);

  it("every dashboard fits the types of Grafana's own schema", async () => {
    expect(await checkSchema(dashboards.map(({ uid }) => uid))).toBe('');
  }, 120_000);

  it("Grafana's own panels draw every panel that has values", () => {
    expect(drawn.map(({ uid }) => uid)).toEqual(dashboards.map(({ uid }) => uid));
    for (const { errors, empty, panels } of drawn) {
      expect(errors).toEqual([]);
      expect(empty.filter((title) => !EMPTY_HERE.has(title))).toEqual([]);
      expect(panels).toBeGreaterThan(5);
    }
  });
});
