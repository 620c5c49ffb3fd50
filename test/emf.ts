/** Reads lines in the embedded metric format as CloudWatch Logs does, and refuses what it ignores. */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';

export interface EmfMetric {
  namespace: string;
  atMs: number;
  /** `Name{Dimension=value}` */
  name: string;
  unit: string;
  value: number;
}

interface EmfLine {
  _aws: {
    Timestamp: number;
    CloudWatchMetrics: {
      Namespace: string;
      Dimensions: string[][];
      Metrics: { Name: string; Unit: string }[];
    }[];
  };
  [member: string]: unknown;
}

const schema = new URL('fixtures/specs/cloudwatch-emf.schema.json', import.meta.url);
const isEmf = new Ajv({ strict: false }).compile<EmfLine>(
  JSON.parse(readFileSync(schema, 'utf8')) as object,
);

/** Throws when the line is not valid. */
export function readEmf(line: string): EmfMetric[] {
  const parsed: unknown = JSON.parse(line);
  if (!isEmf(parsed)) throw new Error(`not EMF: ${JSON.stringify(isEmf.errors)} in ${line}`);
  const { Timestamp: atMs, CloudWatchMetrics: directives } = parsed._aws;
  return directives.flatMap(({ Namespace: namespace, Dimensions: sets, Metrics: metrics }) =>
    sets.flatMap((set) =>
      metrics.map(({ Name: name, Unit: unit }) => ({
        namespace,
        atMs,
        unit,
        name: `${name}{${set.map((key) => `${key}=${textOf(parsed[key])}`).join()}}`,
        value: numberOf(parsed[name]),
      })),
    ),
  );
}

/** A value of a dimension must be a member of the root, and text. */
function textOf(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > 1024)
    throw new Error(`a dimension has the value ${JSON.stringify(value)}`);
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new Error(`a metric has the value ${JSON.stringify(value)}`);
  return value;
}
