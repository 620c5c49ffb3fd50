/** What a panel and a dashboard are, and the PromQL that several panels share. */

export interface Query {
  /** PromQL; may use $__rate_interval, $__interval and the variables $stage, $queue and $owner. */
  expression: string;
  /** Name of its lines; {{label}} is replaced by the value of a label. */
  legend: string;
}

/** Of the metrics that hosts write to CloudWatch. */
export interface CloudwatchQuery {
  metric: string;
  /** As CloudWatch names it: Sum, Maximum, Average. */
  statistic: string;
  legend: string;
}

/** From which value on it is yellow or red. `below`: up to which. */
export interface Thresholds {
  yellow?: number;
  red?: number;
  below?: true;
}

type Unit = 'short' | 'reqps' | 's' | 'percentunit' | 'bytes' | 'suffix: firing';

export interface Panel {
  title: string;
  /** What it shows, and what to do when it looks wrong. */
  description: string;
  /** Grafana's name of the unit. */
  unit: Unit;
  queries: readonly Query[];
  /** In place of `queries`, where CloudWatch has the values. */
  cloudwatch?: readonly CloudwatchQuery[];
  /** Columns of 24. */
  width: number;
  /** Lines where absent. Bars are for counts of bursts, and a stat is one number. */
  draw?: 'bars' | 'stat';
  stacked?: boolean;
  /** Values can be below 0. */
  signed?: boolean;
  thresholds?: Thresholds;
  decimals?: number;
  /** The axis goes at least to this value; 1 where absent, but not for bytes. */
  softMax?: number;
  /** Words in place of values, for a stat. */
  words?: Readonly<Record<string, string>>;
  /** Shown where there is no value. */
  noValue?: string;
}

export interface Row {
  title: string;
  panels: readonly Panel[];
  /** For what an installation may not use: closed until somebody opens it. */
  collapsed?: true;
  /** Rows of the grid. */
  height?: number;
}

export type VariableName = 'owner' | 'stage' | 'queue';

export interface Plan {
  /** Of its file and its URL. */
  uid: string;
  title: string;
  description: string;
  variables: readonly VariableName[];
  rows: readonly Row[];
}

export const rate = (metric: string, selector = ''): string =>
  `rate(${metric}${selector}[$__rate_interval])`;
/** How many in the time that a bar stands for. */
export const counts = (metric: string, selector = ''): string =>
  `increase(${metric}${selector}[$__interval])`;
/** The same for series that begin with their first event: `increase` does not see that one. */
export const countsFromFirst = (metric: string, selector = ''): string =>
  `((${metric}${selector} unless ${metric}${selector} offset $__interval) or ${counts(metric, selector)})`;
export const ofStage = '{stage=~"$stage"}';
export const ofQueue = '{queue=~"$queue"}';
export const ofOwner = '{owner=~"$owner"}';

/** One line per percentile and label. */
export const percentiles = (metric: string, labels: string, selector = ''): Query[] =>
  [0.5, 0.95].map((share) => ({
    expression: `histogram_quantile(${share}, sum by (le, ${labels}) (${rate(`${metric}_bucket`, selector)}))`,
    legend: `p${share * 100} ${labels
      .split(', ')
      .map((label) => `{{${label}}}`)
      .join(' ')}`,
  }));
