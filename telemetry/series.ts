/** How a metric is declared. The series named in `startsAt` exist from the start at 0. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

type LabelValues<L extends string> = Readonly<Record<L, string>>;

interface Declared<L extends string> {
  name: string;
  help: string;
  labels?: readonly L[];
  registers: Registry[];
}

interface DeclaredFromZero<L extends string> extends Declared<L> {
  startsAt?: readonly LabelValues<NoInfer<L>>[];
}

interface DeclaredHistogram<L extends string> extends DeclaredFromZero<L> {
  buckets: readonly number[];
}

export function counter<const L extends string = never>({
  labels = [],
  startsAt = [],
  ...declared
}: DeclaredFromZero<L>): Counter<L> {
  const metric = new Counter<L>({ ...declared, labelNames: labels });
  for (const values of startsAt) metric.inc(values, 0);
  return metric;
}

export function gauge<const L extends string = never>({
  labels = [],
  startsAt = [],
  ...declared
}: DeclaredFromZero<L>): Gauge<L> {
  const metric = new Gauge<L>({ ...declared, labelNames: labels });
  for (const values of startsAt) metric.set(values, 0);
  return metric;
}

export function histogram<const L extends string = never>({
  labels = [],
  startsAt = [],
  buckets,
  ...declared
}: DeclaredHistogram<L>): Histogram<L> {
  const metric = new Histogram<L>({ ...declared, labelNames: labels, buckets: [...buckets] });
  for (const values of startsAt) metric.zero(values);
  return metric;
}

/** Every value of one label. */
export const withLabel = <const L extends string>(
  label: L,
  values: readonly string[],
): Record<L, string>[] => values.map((value) => ({ [label]: value }) as Record<L, string>);

/** Every value of one label with every value of another. */
export const pairs = <const A extends string, const B extends string>(
  first: readonly Record<A, string>[],
  second: readonly Record<B, string>[],
): Record<A | B, string>[] => first.flatMap((a) => second.map((b) => ({ ...a, ...b })));

export const DURATION_BUCKETS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
/** Up to seven days. */
export const SPAN_BUCKETS_S = [
  0.1, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14_400,
  28_800, 43_200, 86_400, 172_800, 345_600, 604_800,
];
export const WAIT_BUCKETS_S = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600];
