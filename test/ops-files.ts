/** The files under ops/ and the runbook, as tests read them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { plans } from '../ops/grafana/plans.ts';

export const opsPath = (path: string): string =>
  fileURLToPath(new URL(`../${path}`, import.meta.url));
export const readOps = (path: string): string => readFileSync(opsPath(path), 'utf8');

/** Every panel of every dashboard. */
export const dashboardPanels = plans.flatMap(({ rows }) => rows.flatMap(({ panels }) => panels));

export const alertNames: readonly string[] = [
  ...readOps('ops/prometheus/alerts.yml').matchAll(/- alert: (\w+)/g),
].map(([, name]) => name ?? '');

/** Names of metrics in a text. Those of recording rules contain colons. */
export const metricNames = (text: string): string[] => [
  ...new Set(
    [...text.matchAll(/\bbatchwell(?:_[a-z0-9_]*[a-z0-9]|:[a-z0-9_:]+)/g)].map(([name]) => name),
  ),
];
