/** Makes Grafana's dashboard from the panels in ops/grafana/panels.ts. */
import { writeFile } from 'node:fs/promises';
import type { Panel, Query } from '../ops/grafana/panel.ts';
import { rows } from '../ops/grafana/panels.ts';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const COLUMNS = 24;
const PANEL_HEIGHT = 8;

/**
 * Grafana's own format, schema version 39 (Grafana 11.0). Later versions convert it when they load
 * it.
 */
export function dashboard() {
  return {
    uid: 'batchwell',
    title: 'Batchwell',
    description:
      'Generated from ops/grafana/panels.ts by `npm run generate`. docs/runbook.md explains the alerts.',
    tags: ['batchwell'],
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    timepicker: {},
    annotations: { list: [] },
    links: [],
    templating: { list: variables() },
    panels: panelsOnGrid(),
  };
}

/** A variable with the values of a label. All are selected by default. */
const ofLabel = (name: string, metric: string) => ({
  name,
  label: name,
  type: 'query',
  datasource: DATASOURCE,
  definition: `label_values(${metric}, ${name})`,
  query: { qryType: 1, query: `label_values(${metric}, ${name})`, refId: `variable-${name}` },
  current: { text: ['All'], value: ['$__all'] },
  includeAll: true,
  allValue: '.*',
  multi: true,
  refresh: 2,
  sort: 1,
  hide: 0,
  regex: '',
  options: [],
  skipUrlSync: false,
});

const variables = () => [
  {
    name: 'datasource',
    label: 'data source',
    type: 'datasource',
    query: 'prometheus',
    current: { text: 'Prometheus', value: 'prometheus' },
    includeAll: false,
    multi: false,
    refresh: 1,
    hide: 0,
    regex: '',
    options: [],
    skipUrlSync: false,
  },
  ofLabel('stage', 'batchwell_queue_messages'),
  ofLabel('queue', 'batchwell_batch_jobs'),
];

interface PlacedPanel extends Record<string, unknown> {
  id: number;
  gridPos: Record<'x' | 'y' | 'w' | 'h', number>;
}

function panelsOnGrid(): PlacedPanel[] {
  const placed: PlacedPanel[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    placed.push({
      id: placed.length + 1,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
    });
    y += 1;
    let x = 0;
    for (const panel of panels) {
      if (x + panel.width > COLUMNS) [x, y] = [0, y + PANEL_HEIGHT];
      placed.push({
        id: placed.length + 1,
        ...timeSeries(panel),
        gridPos: { x, y, w: panel.width, h: PANEL_HEIGHT },
      });
      x += panel.width;
    }
    y += PANEL_HEIGHT;
  }
  return placed;
}

function timeSeries({ title, description, unit, queries, stacked = false, signed = false }: Panel) {
  const custom = {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 30 : 0,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  };
  return {
    type: 'timeseries',
    title,
    description,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit, ...(signed ? {} : { min: 0 }), custom }, overrides: [] },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: queries.map(target),
  };
}

const target = ({ expression, legend }: Query, position: number) => ({
  refId: String.fromCharCode('A'.charCodeAt(0) + position),
  datasource: DATASOURCE,
  expr: expression,
  legendFormat: legend,
  range: true,
  instant: false,
  editorMode: 'code',
});

/** The text of the file. */
export const dashboardText = (): string => `${JSON.stringify(dashboard(), null, 2)}\n`;

export async function writeDashboard(): Promise<void> {
  await writeFile(
    new URL('../ops/grafana/dashboards/batchwell.json', import.meta.url),
    dashboardText(),
  );
}
