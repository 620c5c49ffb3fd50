/** Makes Grafana's dashboards of the plans, with the Grafana Foundation SDK. */
import {
  BarAlignment,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  GraphThresholdsStyleConfigBuilder,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  QueryVariableBuilder,
  RowBuilder,
  TextBoxVariableBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
  type Dashboard,
  type GridPos,
  type Threshold,
  type ValueMapping,
  type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  MetricEditorMode,
  MetricQueryType,
  MetricsQueryBuilder,
  QueryMode,
} from '@grafana/grafana-foundation-sdk/cloudwatch';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import type { Panel, Plan, Row, Thresholds, VariableName } from './panel.ts';

const PROMETHEUS = { type: 'prometheus', uid: '${datasource}' };
const CLOUDWATCH = { type: 'cloudwatch', uid: '${datasource}' };
const sourceOf = ({ cloudwatch }: Panel) => (cloudwatch ? CLOUDWATCH : PROMETHEUS);
const COLUMNS = 24;
const PANEL_HEIGHT = 8;
const ROW_HEIGHT = 1;
/** The shortest time that a bar stands for: two scrapes of the slowest job. */
const BAR_INTERVAL = '30s';

const METRIC_OF: Record<VariableName, string> = {
  owner: 'batchwell_owner_tasks',
  stage: 'batchwell_queue_messages',
  queue: 'batchwell_batch_jobs',
};

export function buildDashboard(plan: Plan): Dashboard {
  const builder = new DashboardBuilder(plan.title)
    .uid(plan.uid)
    .description(`${plan.description} Generated from ops/grafana/plans/ by \`npm run generate\`.`)
    .tags(['batchwell'])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .timezone('browser')
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .links(links());
  for (const variable of variables(plan)) builder.withVariable(variable);
  placeRows(builder, plan.rows);
  const { templating, ...dashboard } = builder.build();
  return { ...dashboard, templating: { list: templating.list?.map(withoutInterval) ?? [] } };
}

/** The SDK gives every variable the fields of an interval, which the schema of Grafana refuses. */
function withoutInterval(variable: VariableModel): VariableModel {
  const {
    auto: _,
    auto_min: __,
    auto_count: ___,
    ...rest
  } = variable as VariableModel & Record<string, unknown>;
  return rest;
}

const links = (): DashboardLinkBuilder[] => [
  new DashboardLinkBuilder('Dashboards')
    .type(DashboardLinkType.Dashboards)
    .tags(['batchwell'])
    .asDropdown(true),
  new DashboardLinkBuilder('Runbook')
    .type(DashboardLinkType.Link)
    .url('${runbook}')
    .targetBlank(true),
  new DashboardLinkBuilder('Batchwell')
    .type(DashboardLinkType.Link)
    .url('${page}')
    .targetBlank(true),
  new DashboardLinkBuilder('Task')
    .type(DashboardLinkType.Link)
    .url('${page}/#/tasks/${task}')
    .targetBlank(true),
];

function variables(plan: Plan) {
  return [
    sourceVariable(plan),
    ...plan.variables.map((name) =>
      new QueryVariableBuilder(name)
        .label(name)
        .datasource(PROMETHEUS)
        .query({
          qryType: 1,
          query: `label_values(${METRIC_OF[name]}, ${name})`,
          refId: `variable-${name}`,
        })
        .current({ text: ['All'], value: ['$__all'] })
        .includeAll(true)
        .allValue('.*')
        .multi(true)
        .refresh(VariableRefresh.OnTimeRangeChanged)
        // oxlint-disable-next-line unicorn/no-array-sort -- a builder of Grafana, no array
        .sort(VariableSort.AlphabeticalAsc),
    ),
    // Where the links lead. Others write their own addresses into these fields.
    new TextBoxVariableBuilder('page')
      .label('address of the API')
      .defaultValue('http://127.0.0.1:8000'),
    new TextBoxVariableBuilder('runbook')
      .label('runbook')
      .defaultValue('http://127.0.0.1:9090/user/runbook.html'),
    new TextBoxVariableBuilder('task').label('task').defaultValue(''),
    ...(asksCloudwatch(plan)
      ? [new TextBoxVariableBuilder('stack').label('stack of the hosts').defaultValue('batchwell')]
      : []),
  ];
}

const asksCloudwatch = ({ rows }: Plan): boolean =>
  rows.some(({ panels }) => panels.some(({ cloudwatch }) => cloudwatch !== undefined));

const sourceVariable = (plan: Plan): DatasourceVariableBuilder => {
  const [type, text] = asksCloudwatch(plan)
    ? ['cloudwatch', 'CloudWatch']
    : ['prometheus', 'Prometheus'];
  return new DatasourceVariableBuilder('datasource')
    .label('data source')
    .type(type)
    .current({ text, value: type });
};

/** Each panel gets its place here and its number from its position. */
function placeRows(builder: DashboardBuilder, rows: readonly Row[]): void {
  let id = 0;
  let y = 0;
  for (const row of rows) {
    const { title, panels, collapsed = false, height = PANEL_HEIGHT } = row;
    const rowPanel = new RowBuilder(title)
      .collapsed(collapsed)
      .gridPos({ x: 0, y, w: COLUMNS, h: ROW_HEIGHT })
      .id((id += 1));
    y += ROW_HEIGHT;
    let x = 0;
    const placed = panels.map((panel) => {
      if (x + panel.width > COLUMNS) [x, y] = [0, y + height];
      const built = panelOf(panel, { x, y, w: panel.width, h: height }, (id += 1));
      x += panel.width;
      return built;
    });
    y += height;
    if (collapsed) for (const panel of placed) rowPanel.withPanel(panel);
    builder.withRow(rowPanel);
    if (!collapsed) for (const panel of placed) builder.withPanel(panel);
  }
}

const panelOf = (panel: Panel, place: GridPos, id: number): TimeSeriesBuilder | StatBuilder =>
  panel.draw === 'stat' ? statOf(panel, place, id) : timeSeriesOf(panel, place, id);

function statOf(panel: Panel, place: GridPos, id: number): StatBuilder {
  const builder = new StatBuilder()
    .id(id)
    .gridPos(place)
    .title(panel.title)
    .description(panel.description)
    .datasource(sourceOf(panel))
    .unit(panel.unit)
    .noValue(panel.noValue ?? 'none')
    .graphMode(panel.words ? BigValueGraphMode.None : BigValueGraphMode.Area)
    .colorMode(panel.thresholds ? BigValueColorMode.Background : BigValueColorMode.None)
    .textMode(BigValueTextMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .mappings(mappingsOf(panel))
    .thresholds(thresholdsOf(panel.thresholds));
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  for (const target of targetsOf(panel)) builder.withTarget(target);
  return builder;
}

/** Without one, an axis of nothing but zeros goes up to 100. */
const softMaxOf = ({ unit, softMax = unit === 's' ? 0.1 : 1 }: Panel): number | undefined =>
  unit === 'bytes' ? undefined : softMax;

function timeSeriesOf(panel: Panel, place: GridPos, id: number): TimeSeriesBuilder {
  const isBars = panel.draw === 'bars';
  const stacked = panel.stacked === true;
  const builder = new TimeSeriesBuilder()
    .id(id)
    .gridPos(place)
    .title(panel.title)
    .description(panel.description)
    .datasource(sourceOf(panel))
    .unit(panel.unit)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .drawStyle(isBars ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
    .barAlignment(BarAlignment.Before)
    .lineWidth(1)
    .fillOpacity(isBars ? 60 : stacked ? 30 : 0)
    .showPoints(VisibilityMode.Never)
    .spanNulls(false)
    .stacking(
      new StackingConfigBuilder()
        .mode(stacked || isBars ? StackingMode.Normal : StackingMode.None)
        .group('A'),
    )
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    )
    .tooltip(
      // oxlint-disable-next-line unicorn/no-array-sort -- a builder of Grafana, no array
      new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending),
    );
  const softMax = softMaxOf(panel);
  if (softMax !== undefined) builder.axisSoftMax(softMax);
  if (isBars) builder.interval(BAR_INTERVAL);
  if (panel.signed !== true) builder.min(0);
  if (panel.thresholds)
    builder
      .thresholds(thresholdsOf(panel.thresholds))
      .thresholdsStyle(
        new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed),
      );
  for (const target of targetsOf(panel)) builder.withTarget(target);
  return builder;
}

const FIRST_LETTER = 'A'.charCodeAt(0);

const refIdOf = (position: number): string => String.fromCharCode(FIRST_LETTER + position);

const targetsOf = ({ queries, cloudwatch }: Panel): (DataqueryBuilder | MetricsQueryBuilder)[] =>
  cloudwatch?.map(({ metric, statistic, legend }, position) =>
    new MetricsQueryBuilder()
      .refId(refIdOf(position))
      .datasource(CLOUDWATCH)
      .queryMode(QueryMode.Metrics)
      .metricQueryType(MetricQueryType.Search)
      .metricEditorMode(MetricEditorMode.Builder)
      .region('default')
      .namespace('Batchwell/${stack}')
      .metricName(metric)
      .statistic(statistic)
      .dimensions({})
      .matchExact(true)
      .label(legend),
  ) ??
  queries.map(({ expression, legend }, position) =>
    new DataqueryBuilder()
      .refId(refIdOf(position))
      .datasource(PROMETHEUS)
      .expr(expression)
      .legendFormat(legend)
      .range(),
  );

/** The first step has no value: it is the colour of everything below the next one. */
function thresholdsOf({ yellow, red, below }: Thresholds = {}): ThresholdsConfigBuilder {
  const steps: Threshold[] = below
    ? [
        { value: null, color: red === undefined ? 'yellow' : 'red' },
        ...(red === undefined
          ? []
          : [{ value: red, color: yellow === undefined ? 'green' : 'yellow' }]),
        ...(yellow === undefined ? [] : [{ value: yellow, color: 'green' }]),
      ]
    : [
        { value: null, color: 'green' },
        ...(yellow === undefined ? [] : [{ value: yellow, color: 'yellow' }]),
        ...(red === undefined ? [] : [{ value: red, color: 'red' }]),
      ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}

const mappingsOf = ({ words }: Panel): ValueMapping[] =>
  words === undefined
    ? []
    : [
        {
          type: 'value',
          options: Object.fromEntries(
            Object.entries(words).map(([value, text], index) => [value, { text, index }]),
          ),
        } as ValueMapping,
      ];
