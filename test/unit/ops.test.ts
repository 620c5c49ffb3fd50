/** Dashboard, alerts and runbook name only metrics of the fleet and each other. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { stages } from '../../core/places.ts';
import { rows } from '../../ops/grafana/panels.ts';
import { dashboard, dashboardText } from '../../scripts/dashboard.ts';
import { countMoves, createMetrics } from '../../telemetry/metrics.ts';
import { alertNames, metricNames, opsPath, readOps } from '../ops-files.ts';

const alerts = readOps('ops/prometheus/alerts.yml');
const alertTestFiles = ['aws', 'failures', 'messages', 'processes'].map(
  (topic) => `ops/prometheus/alerts-${topic}.test.yml`,
);
const alertTests = alertTestFiles.map(readOps).join('');
const recording = readOps('ops/prometheus/recording.yml');
const runbook = readOps('docs/runbook.md');

const recorded = [...recording.matchAll(/record: (\S+)/g)].map(([, name]) => name ?? '');

/** The series of the catalogue that queries can use: a histogram has three. */
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

describe('metrics', () => {
  it.each([
    'ops/grafana/dashboards/batchwell.json',
    'ops/prometheus/alerts.yml',
    ...alertTestFiles,
    'ops/prometheus/recording.yml',
    'docs/runbook.md',
  ])('%s names only metrics of the catalogue', async (path) => {
    expect(await unknownMetrics(readOps(path))).toEqual([]);
  });

  it('an unknown metric name is found', async () => {
    expect(
      await unknownMetrics('rate(batchwell_tasks_lost_total[5m]) + batchwell_task_seconds'),
    ).toEqual(['batchwell_tasks_lost_total', 'batchwell_task_seconds']);
  });

  it('every metric of the catalogue is used by the dashboard, an alert or a recording rule', async () => {
    const text = readOps('ops/grafana/dashboards/batchwell.json') + alerts + recording;
    const { registry: _, ...metrics } = createMetrics();
    const ours = await Promise.all(
      Object.values(metrics).map(async (metric) => (await metric.get()).name),
    );
    expect(ours.length).toBeGreaterThan(25);
    expect(ours.filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe('the dashboard', () => {
  it('the dashboard is what `npm run generate` writes', () => {
    expect(readOps('ops/grafana/dashboards/batchwell.json')).toBe(dashboardText());
  });

  it('each panel of the dashboard has a description and a place of its own', () => {
    const { panels } = dashboard();
    const taken = new Set<string>();
    for (const {
      gridPos: { x, y, w, h },
    } of panels) {
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
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it('the dashboard names only alerts that exist', () => {
    const named = [...dashboardText().matchAll(/\bBatchwell[A-Z]\w+/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !alertNames.includes(name))).toEqual([]);
  });
});

describe('the runbook', () => {
  it('the runbook names only panels that exist', () => {
    const titles = rows.flatMap(({ panels }) => panels.map(({ title }) => title));
    const prose = runbook.replaceAll(/```[^]*?```|`[^`]*`/g, '');
    const named = [...prose.matchAll(/"([^"]+)"/g)].map(([, title = '']) =>
      title.replaceAll('\n', ' '),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((title) => !titles.includes(title) && title !== 'Batchwell')).toEqual([]);
  });
});

describe('alerts', () => {
  it.each(alertNames)(
    '%s is tested to fire and not to fire, and has its section in the runbook',
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

  it('every alert of the runbook exists', () => {
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
    it('promtool accepts the configuration and its rules', () => {
      expect(run('check', 'config', opsPath('ops/prometheus/prometheus.yml'))).toMatchObject({
        status: 0,
      });
    });

    it('promtool runs the tests of every alert', () => {
      expect(run('test', 'rules', ...alertTestFiles.map(opsPath))).toMatchObject({
        status: 0,
        output: expect.stringContaining('SUCCESS'),
      });
    }, 60_000);
  },
);

describe('the metrics catalogue', () => {
  it('a move counts as leaving one stage and entering the next', async () => {
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

  it('every stage has its series from the start', async () => {
    const text = await createMetrics().registry.metrics();
    for (const stage of stages) {
      expect(text).toContain(`batchwell_stage_entered_tasks_total{stage="${stage}"} 0`);
      expect(text).toContain(`batchwell_stage_moved_tasks_total{stage="${stage}",move="fail"} 0`);
      expect(text).toContain(`batchwell_swept_rows_total{what="${stage}"} 0`);
    }
  });
});
