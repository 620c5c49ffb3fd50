/** Dashboard, alerts and runbook name only metrics of the fleet and each other. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stages } from '../../core/places.ts';
import { plans } from '../../ops/grafana/plans.ts';
import { alertTestTexts, alertTestTopics, annotationsOf } from '../../scripts/alert-tests.ts';
import { dashboardFiles, dashboardTexts } from '../../scripts/dashboard.ts';
import { presentRunbookPage, runbookPage } from '../../scripts/runbook.ts';
import { countMoves, createMetrics } from '../../telemetry/metrics.ts';
import { alertNames, dashboardPanels, metricNames, opsPath, readOps } from '../ops-files.ts';

/** The daemon of the hosts. */
const DISK_METRICS = opsPath('packages/disk/host/metrics.ts');

const alerts = readOps('ops/prometheus/alerts.yml');
const alertTestFiles = alertTestTopics.map((topic) => `ops/prometheus/alerts-${topic}.test.yml`);
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

interface PlacedPanel {
  id: number;
  gridPos: Record<'x' | 'y' | 'w' | 'h', number>;
  panels?: PlacedPanel[];
}

describe('metrics', () => {
  it.each([
    ...dashboardFiles().map((name) => `ops/grafana/dashboards/${name}`),
    'ops/prometheus/alerts.yml',
    ...alertTestFiles,
    'ops/prometheus/recording.yml',
    'docs/runbook.md',
    'docs/metrics.md',
  ])('%s names only metrics of the catalogue', async (path) => {
    expect(await unknownMetrics(readOps(path))).toEqual([]);
  });

  it('an unknown metric name is found', async () => {
    expect(
      await unknownMetrics('rate(batchwell_tasks_lost_total[5m]) + batchwell_task_seconds'),
    ).toEqual(['batchwell_tasks_lost_total', 'batchwell_task_seconds']);
  });

  it('every metric of the catalogue is used by a dashboard, an alert or a recording rule', async () => {
    const text = [...dashboardTexts().values(), alerts, recording].join('');
    const { registry: _, ...metrics } = createMetrics();
    const ours = await Promise.all(
      Object.values(metrics).map(async (metric) => (await metric.get()).name),
    );
    expect(ours.length).toBeGreaterThan(25);
    expect(ours.filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe('the dashboards', () => {
  it('each dashboard is what `npm run generate` writes, and there are no others', () => {
    const texts = dashboardTexts();
    expect(dashboardFiles().toSorted()).toEqual([...texts.keys()].toSorted());
    for (const [name, text] of texts) expect(readOps(`ops/grafana/dashboards/${name}`)).toBe(text);
  });

  it.each(plans.map(({ uid }) => uid))(
    '%s gives each panel a place and a number of its own',
    (uid) => {
      const { panels } = JSON.parse(dashboardTexts().get(`${uid}.json`) ?? '') as {
        panels: PlacedPanel[];
      };
      const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
      const taken = new Set<string>();
      for (const {
        gridPos: { x, y, w, h },
      } of all) {
        expect(x + w).toBeLessThanOrEqual(24);
        for (let column = x; column < x + w; column += 1) {
          for (let line = y; line < y + h; line += 1) {
            expect(taken).not.toContain(`${column},${line}`);
            taken.add(`${column},${line}`);
          }
        }
      }
      expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
      expect(all.length).toBeGreaterThan(6);
    },
  );

  it('each panel says what to do when it looks wrong', () => {
    const advice = /\bsee\b|look at|add |check |set |raise |if |restart|No line|Start /i;
    const silent = dashboardPanels.filter(
      ({ description }) => description.length < 60 || !advice.test(description),
    );
    expect(silent.map(({ title }) => title)).toEqual([]);
  });

  it.skipIf(!existsSync(DISK_METRICS))(
    "the dashboard of the hosts' disks asks for the metrics that the hosts write",
    () => {
      const written = readFileSync(DISK_METRICS, 'utf8');
      const asked = dashboardPanels.flatMap(({ cloudwatch = [] }) =>
        cloudwatch.map(({ metric }) => metric),
      );
      expect(asked.length).toBeGreaterThan(5);
      expect(asked.filter((metric) => !written.includes(`'${metric}'`))).toEqual([]);
    },
  );

  it('the dashboards name only alerts that exist', () => {
    const text = [...dashboardTexts().values()].join('');
    const named = [...text.matchAll(/\bBatchwell[A-Z]\w+/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !alertNames.includes(name))).toEqual([]);
  });
});

describe('the runbook', () => {
  it('the runbook names only panels that exist', () => {
    const titles = dashboardPanels.map(({ title }) => title);
    const prose = runbook.replaceAll(/```[^]*?```|`[^`]*`/g, '');
    const named = [...prose.matchAll(/"([^"]+)"/g)].map(([, title = '']) =>
      title.replaceAll('\n', ' '),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((title) => !titles.includes(title))).toEqual([]);
  });

  it('the page that Prometheus serves is what `npm run generate` makes of the runbook', () => {
    expect(presentRunbookPage()).toBe(runbookPage());
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
      const annotations = new Map(annotationsOf(alerts).get(name));
      expect(annotations.get('runbook_url')).toBe(
        `{{ $externalURL }}/user/runbook.html#${name.toLowerCase()}`,
      );
      expect(annotations.get('description')?.length).toBeGreaterThan(30);
      expect(annotations.get('query')).toMatch(/batchwell|prometheus_|up/);
      expect(presentRunbookPage()).toContain(`<h3 id="${name.toLowerCase()}">`);
      expect(runbook).toContain(`\n### ${name}\n`);
    },
  );

  it('the tests of the alerts expect the annotations of the alerts', () => {
    for (const { present, right } of alertTestTexts().values()) expect(present).toBe(right);
  });

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
    it('promtool accepts the configuration and its rules, whose tests `npm run test:observability` runs', () => {
      expect(run('check', 'config', opsPath('ops/prometheus/prometheus.yml'))).toMatchObject({
        status: 0,
      });
    });
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
