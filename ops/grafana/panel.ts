/** What a panel of the dashboard is, and the PromQL that several panels share. */

export interface Query {
  /** PromQL; may use $__rate_interval and the variables $stage and $queue. */
  expression: string;
  /** Name of its lines; {{label}} is replaced by the value of a label. */
  legend: string;
}

export interface Panel {
  title: string;
  /** What it shows, and what to do when it looks bad. */
  description: string;
  /** Grafana's name of the unit. */
  unit: 'ops' | 'reqps' | 'short' | 's' | 'percentunit' | 'bytes';
  queries: readonly Query[];
  /** Columns of 24. */
  width: 6 | 8 | 12;
  stacked?: boolean;
  /** Values can be below 0. */
  signed?: boolean;
}

export interface Row {
  title: string;
  panels: readonly Panel[];
}

export const rate = (metric: string, selector = ''): string =>
  `rate(${metric}${selector}[$__rate_interval])`;
export const ofStage = '{stage=~"$stage"}';
export const ofQueue = '{queue=~"$queue"}';

/** One line per percentile and label. */
export const percentiles = (metric: string, labels: string, selector = ''): Query[] =>
  [0.5, 0.95, 0.99].map((share) => ({
    expression: `histogram_quantile(${share}, sum by (le, ${labels}) (${rate(`${metric}_bucket`, selector)}))`,
    legend: `p${share * 100} ${labels
      .split(', ')
      .map((label) => `{{${label}}}`)
      .join(' ')}`,
  }));
