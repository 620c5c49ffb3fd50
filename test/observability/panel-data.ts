/** What Grafana would ask Prometheus for each panel, and the answers, for those who draw and those who check. */
import { readOps } from '../ops-files.ts';
import type { PrometheusServer } from '../prometheus.ts';

interface Series {
  metric: Record<string, string>;
  values: [seconds: number, value: string][];
}

interface Target {
  refId: string;
  /** Absent where CloudWatch is asked. */
  expr?: string;
  label?: string;
  legendFormat?: string;
  result?: Series[];
  error?: string;
}

export interface DashboardPanel {
  id: number;
  type: string;
  title: string;
  interval?: string;
  targets?: Target[];
  panels?: DashboardPanel[];
}

export interface DashboardFile {
  uid: string;
  title: string;
  panels: DashboardPanel[];
}

export interface Span {
  startSeconds: number;
  endSeconds: number;
}

const STEP_SECONDS = 2;
/** As Grafana would choose it: four scrapes, and a scrape more than a bar. */
const RATE_INTERVAL = '20s';

export const readDashboard = (name: string): DashboardFile =>
  JSON.parse(readOps(`ops/grafana/dashboards/${name}`)) as DashboardFile;

/** Those of closed rows too. */
export const panelsOf = ({ panels }: DashboardFile): DashboardPanel[] =>
  panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).filter(({ type }) => type !== 'row');

/** Bars are drawn one beside the other, so their step is the time that a bar stands for. */
const stepOf = ({ interval }: DashboardPanel): number =>
  interval === undefined ? STEP_SECONDS : BAR_SECONDS;
const BAR_SECONDS = 10;

const filled = (expr: string, stepSeconds: number): string =>
  expr
    .replaceAll('$__rate_interval', RATE_INTERVAL)
    .replaceAll('$__interval', `${stepSeconds}s`)
    .replaceAll(/\$(stage|queue|owner)/g, '.*');

/** There is no CloudWatch here: its panels are drawn with a curve of ours, and their queries are not tried. */
const played = ({ startSeconds, endSeconds }: Span): Series => ({
  metric: {},
  values: Array.from(
    { length: Math.floor((endSeconds - startSeconds) / STEP_SECONDS) },
    (_, at) => [startSeconds + at * STEP_SECONDS, String(1 + Math.floor(at / 10))],
  ),
});

/** Fills in what Prometheus answers to each query. */
export async function fillDashboard(
  prometheus: PrometheusServer,
  dashboard: DashboardFile,
  { startSeconds, endSeconds }: Span,
): Promise<void> {
  for (const panel of panelsOf(dashboard)) {
    const step = stepOf(panel);
    for (const target of panel.targets ?? []) {
      if (target.expr === undefined) {
        target.legendFormat = target.label ?? '';
        target.result = [played({ startSeconds, endSeconds })];
        continue;
      }
      const wish = new URLSearchParams({
        query: filled(target.expr, step),
        start: String(startSeconds),
        end: String(endSeconds),
        step: String(step),
      });
      const answer = await prometheus.ask<{
        status: string;
        error?: string;
        data?: { result: Series[] };
      }>(`/api/v1/query_range?${wish}`);
      target.result = answer.data?.result ?? [];
      if (answer.status !== 'success') target.error = answer.error ?? answer.status;
    }
  }
}
