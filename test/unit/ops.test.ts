/** Dashboard, alerts and runbook speak of what the fleet counts, and of each other. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { stages } from '../../core/places.ts';
import { rows } from '../../ops/grafana/panels.ts';
import { dashboard, dashboardText } from '../../scripts/dashboard.ts';
import { countMoves, createMetrics } from '../../telemetry/metrics.ts';
import { alertNames, metricNames, opsPath, readOps } from '../ops-files.ts';

const alerts = readOps('ops/prometheus/alerts.yml');
const alertTests = readOps('ops/prometheus/alerts.test.yml');
const recording = readOps('ops/prometheus/recording.yml');
const runbook = readOps('docs/runbook.md');

const recorded = [...recording.matchAll(/record: (\S+)/g)].map(([, name]) => name ?? '');

/** What the catalogue offers to queries: a histogram is three series. */
async function offered(): Promise<Set<string>> {
  const families = await createMetrics().registry.getMetricsAsJSON();
  return new Set([
    ...recorded,
    ...families.flatMap(({ name, type }) =>
      String(type) === 'histogram'
        ? ['_bucket', '_sum', '_count'].map((part) => name + part)
        : [name],
    ),
  ]);
}

async function unknownMetrics(text: string): Promise<string[]> {
  const known = await offered();
  return metricNames(text).filter((name) => !known.has(name));
}

describe('every metric that is named exists in the catalogue', () => {
  it.each([
    'ops/grafana/dashboards/batchwell.json',
    'ops/prometheus/alerts.yml',
    'ops/prometheus/alerts.test.yml',
    'ops/prometheus/recording.yml',
    'docs/runbook.md',
  ])('in %s', async (path) => {
    expect(await unknownMetrics(readOps(path))).toEqual([]);
  });

  it('and one that does not would be seen', async () => {
    expect(
      await unknownMetrics('rate(batchwell_tasks_lost_total[5m]) + batchwell_task_seconds'),
    ).toEqual(['batchwell_tasks_lost_total', 'batchwell_task_seconds']);
  });

  it('every metric of our own is shown, alerted on, or used by a rule', async () => {
    const text = readOps('ops/grafana/dashboards/batchwell.json') + alerts + recording;
    const ours = Object.entries(createMetrics()).flatMap(([key, metric]) =>
      key === 'registry' ? [] : [(metric as unknown as { name: string }).name],
    );
    expect(ours.filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe('the dashboard', () => {
  it('is what `npm run generate` writes', () => {
    expect(readOps('ops/grafana/dashboards/batchwell.json')).toBe(dashboardText());
  });

  it('has panels that say what to do, in places of their own', () => {
    const { panels } = dashboard();
    const taken = new Set<string>();
    for (const {
      gridPos: { x, y, w, h },
    } of panels as { gridPos: Record<'x' | 'y' | 'w' | 'h', number> }[]) {
      expect(x + w).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column += 1) {
        for (let line = y; line < y + h; line += 1) {
          expect(taken).not.toContain(`${column},${line}`);
          taken.add(`${column},${line}`);
        }
      }
    }
    const silent = rows
      .flatMap(({ panels }) => panels)
      .filter(({ description }) => description.length < 60);
    expect(silent.map(({ title }) => title)).toEqual([]);
    expect(new Set((panels as unknown as { id: number }[]).map(({ id }) => id)).size).toBe(
      panels.length,
    );
  });

  it('names only alerts that exist', () => {
    const named = [...dashboardText().matchAll(/\bBatchwell[A-Z]\w+/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !alertNames.includes(name))).toEqual([]);
  });
});

describe('each alert', () => {
  it.each(alertNames)(
    '%s is tested to fire and to keep quiet, and has its chapter in the runbook',
    (name) => {
      const tests = alertTests
        .split('\n  - name: ')
        .filter((test) => test.includes(`alertname: ${name}\n`));
      expect(tests.filter((test) => test.includes('exp_alerts:\n')).length).toBeGreaterThan(0);
      expect(tests.filter((test) => test.includes('exp_alerts: []')).length).toBeGreaterThan(0);
      expect(alerts).toContain(`runbook: docs/runbook.md#${name.toLowerCase()}\n`);
      expect(runbook).toContain(`\n### ${name}\n`);
    },
  );

  it('of the runbook exists', () => {
    expect([...runbook.matchAll(/^### (Batchwell\w+)$/gm)].map(([, name]) => name)).toEqual([
      ...alertNames,
    ]);
  });
});

const promtool = spawnSync('promtool', ['--version']).status === 0;

function run(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

describe.skipIf(!promtool)(
  `promtool${promtool ? '' : ' (not installed: on Debian, apt-get install prometheus)'}`,
  () => {
    it('finds the configuration with its rules valid', () => {
      expect(run('check', 'config', opsPath('ops/prometheus/prometheus.yml'))).toMatchObject({
        status: 0,
      });
    });

    it('sees every alert fire and keep quiet as its test says', () => {
      expect(run('test', 'rules', opsPath('ops/prometheus/alerts.test.yml'))).toMatchObject({
        status: 0,
        output: expect.stringContaining('SUCCESS'),
      });
    }, 60_000);
  },
);

describe('the catalogue', () => {
  it('counts a move as leaving one stage and coming into the next', async () => {
    const metrics = createMetrics();
    countMoves(metrics, 'poll', { ended: 7, again: 2, fail: 1 });
    const values = Object.fromEntries(
      (await metrics.stageEntered.get()).values.map(({ labels, value }) => [labels.stage, value]),
    );
    expect(values).toEqual({
      'cache-check': 0,
      'stage-script': 0,
      submit: 2,
      poll: 0,
      finalize: 7,
    });
    expect(
      (await metrics.stageMoved.get()).values
        .filter(({ value }) => value > 0)
        .map(({ labels, value }) => [labels.move, value]),
    ).toEqual([
      ['ended', 7],
      ['again', 2],
      ['fail', 1],
    ]);
  });

  it('has a series for every stage from the start', async () => {
    const text = await createMetrics().registry.metrics();
    for (const stage of stages) {
      expect(text).toContain(`batchwell_stage_entered_tasks_total{stage="${stage}"} 0`);
      expect(text).toContain(`batchwell_stage_moved_tasks_total{stage="${stage}",move="fail"} 0`);
      expect(text).toContain(`batchwell_swept_rows_total{what="${stage}"} 0`);
    }
  });
});
