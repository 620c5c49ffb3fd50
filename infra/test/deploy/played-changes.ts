/** What the played CloudFormation makes of a template: changes, refusals, and outputs. */
import { readdirSync, readFileSync } from 'node:fs';
import { evaluate, type Evaluated, type ParameterValues, type Resource } from '../evaluate.ts';
import { templateOf } from '../world.ts';

/** What CloudFormation refuses, with the code of its error. */
export class Refused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface ChangeSet {
  id: string;
  type: string;
  looks: number;
  template: string;
  parameters: ParameterValues;
  wanted: Evaluated;
  changes: { id: string; type: string; action: string; replacement: string | undefined }[];
}

const folder = new URL('../../templates/', import.meta.url);

/** Names of our templates by their text. */
export const templateBodies = new Map(
  readdirSync(folder).map((file) => [
    readFileSync(new URL(file, folder), 'utf8'),
    file.replace('.yaml', ''),
  ]),
);

/** Properties with which another resource takes the place of the former one. */
const REPLACES = ['BucketEncryption', 'MasterUsername'];

export function evaluated(template: string, name: string, parameters: ParameterValues): Evaluated {
  try {
    return evaluate(templateOf(template), parameters);
  } catch (error) {
    throw new Refused('ValidationError', `${name}: ${String(error)}`);
  }
}

/** Parameters that were not given have their default, and DescribeStacks shows it. */
export function withDefaults(template: string, given: ParameterValues): ParameterValues {
  const parameters = templateOf(template)['Parameters'] ?? {};
  const defaults = Object.entries(parameters).flatMap(([name, parameter]) => {
    const { Default: value } = parameter as { Default?: unknown };
    return value === undefined ? [] : [[name, String(value)]];
  });
  return { ...(Object.fromEntries(defaults) as ParameterValues), ...given };
}

type Change = ChangeSet['changes'][number];

export function changesOf(
  before: Record<string, Resource>,
  after: Record<string, Resource>,
): Change[] {
  const changed = Object.entries(after).flatMap(([id, resource]): Change[] => {
    const { type, properties } = resource;
    const old = before[id]?.properties;
    if (old === undefined) return [{ id, type, action: 'Add', replacement: undefined }];
    const names = Object.keys({ ...old, ...properties }).filter(
      (name) => JSON.stringify(old[name]) !== JSON.stringify(properties[name]),
    );
    if (names.length === 0) return [];
    const replaces = names.some((name) => REPLACES.includes(name));
    return [{ id, type, action: 'Modify', replacement: replaces ? 'True' : 'False' }];
  });
  const removed = Object.entries(before)
    .filter(([id]) => !(id in after))
    .map(([id, { type }]): Change => ({ id, type, action: 'Remove', replacement: undefined }));
  return [...changed, ...removed];
}

/** `<WorkBucket>` becomes the name that a bucket could have. */
export const outputsOf = (stack: string, { outputs }: Evaluated): Record<string, string> =>
  Object.fromEntries(
    Object.entries(outputs).map(([key, value]) => [
      key,
      String(value).replaceAll(/<([\w.]+)>/g, (_, id: string) => `${stack}-${id.toLowerCase()}`),
    ]),
  );
