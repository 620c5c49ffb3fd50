/**
 * What CloudFormation makes of a template and parameters: rules, conditions and intrinsic functions
 * (source: the intrinsic function reference). Ids of resources become readable names.
 */
import type { TemplateJson } from '../stacks/templates.ts';

export type ParameterValues = Readonly<Record<string, string>>;

export interface Resource {
  type: string;
  properties: Record<string, unknown>;
  /** Resources that its properties name. */
  names: string[];
  deletionPolicy: string | undefined;
}

export interface Evaluated {
  /** Sentences of the rules that refuse these parameters. */
  refusals: string[];
  resources: Record<string, Resource>;
  outputs: Record<string, unknown>;
}

export const PSEUDO = {
  'AWS::AccountId': '111122223333',
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-west-1',
  'AWS::StackName': 'batchwell',
  'AWS::StackId': 'arn:aws:cloudformation:eu-west-1:111122223333:stack/batchwell/1',
  'AWS::URLSuffix': 'amazonaws.com',
} as const;

const GONE = Symbol('AWS::NoValue');

interface World {
  template: TemplateJson;
  values: ParameterValues;
  names: Set<string>;
}

export function evaluate(template: TemplateJson, given: ParameterValues): Evaluated {
  const world: World = { template, values: valuesOf(template, given), names: new Set() };
  const resources = Object.entries(template['Resources'] ?? {}).flatMap(([id, value]) => {
    const resource = value as Record<string, unknown>;
    const { Condition: condition } = resource;
    if (typeof condition === 'string' && !holds(world, condition)) return [];
    const own: World = { ...world, names: new Set() };
    const properties = resolve(own, resource['Properties'] ?? {}) as Record<string, unknown>;
    return [[id, shaped(resource, properties, own.names)] as const];
  });
  return {
    refusals: refusalsOf(world),
    resources: Object.fromEntries(resources),
    outputs: Object.fromEntries(
      Object.entries(template['Outputs'] ?? {}).flatMap(([id, output]) => {
        const { Condition: condition, Value: value } = output as Record<string, unknown>;
        if (typeof condition === 'string' && !holds(world, condition)) return [];
        return [[id, resolve(world, value)]];
      }),
    ),
  };
}

const shaped = (
  resource: Record<string, unknown>,
  properties: Record<string, unknown>,
  names: ReadonlySet<string>,
): Resource => ({
  type: String(resource['Type']),
  properties,
  names: [...names],
  deletionPolicy: resource['DeletionPolicy'] as string | undefined,
});

/** @throws Error for a parameter that is missing, unknown, or not allowed */
function valuesOf(template: TemplateJson, given: ParameterValues): ParameterValues {
  const parameters = template['Parameters'] ?? {};
  for (const name of Object.keys(given))
    if (!(name in parameters)) throw new Error(`There is no parameter ${name}.`);
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => {
      const parameter = value as Record<string, unknown>;
      const chosen = given[name] ?? parameter['Default'];
      if (chosen === undefined) throw new Error(`The parameter ${name} must be given.`);
      checkValue(name, String(chosen), parameter);
      return [name, String(chosen)];
    }),
  );
}

function checkValue(name: string, value: string, parameter: Record<string, unknown>): void {
  const { AllowedValues: allowed, AllowedPattern: pattern } = parameter;
  if (Array.isArray(allowed) && !allowed.map(String).includes(value))
    throw new Error(`${name} cannot be ${value}.`);
  if (typeof pattern === 'string' && !new RegExp(`^(?:${pattern})$`).test(value))
    throw new Error(`${name} does not match ${pattern}.`);
  const { MinValue: least, MaxValue: most } = parameter;
  if (least !== undefined && (Number(value) < Number(least) || Number(value) > Number(most)))
    throw new Error(`${name} is not from ${String(least)} to ${String(most)}.`);
}

function refusalsOf(world: World): string[] {
  return Object.values(world.template['Rules'] ?? {}).flatMap((value) => {
    const rule = value as { RuleCondition?: unknown; Assertions: Record<string, unknown>[] };
    if (rule.RuleCondition !== undefined && resolve(world, rule.RuleCondition) !== true) return [];
    return rule.Assertions.flatMap(({ Assert: assertion, AssertDescription: sentence }) =>
      resolve(world, assertion) === true ? [] : [String(sentence)],
    );
  });
}

function holds(world: World, condition: string): boolean {
  const expression = world.template['Conditions']?.[condition];
  if (expression === undefined) throw new Error(`There is no condition ${condition}.`);
  return resolve(world, expression) === true;
}

function resolve(world: World, value: unknown): unknown {
  if (Array.isArray(value))
    return value.map((item) => resolve(world, item)).filter((item) => item !== GONE);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  const run = first && functions[first[0]];
  if (
    entries.length === 1 &&
    first &&
    run &&
    !(first[0] === 'Condition' && typeof first[1] !== 'string')
  )
    return run(world, first[1]);
  return Object.fromEntries(
    entries
      .map(([key, inner]) => [key, resolve(world, inner)] as const)
      .filter(([, inner]) => inner !== GONE),
  );
}

const list = (world: World, value: unknown): unknown[] => resolve(world, value) as unknown[];

/** `Fn::If` must not look at the branch that is not taken: its resources may not exist. */
const functions: Record<string, (world: World, value: unknown) => unknown> = {
  Ref: (world, value) => refer(world, String(value)),
  Condition: (world, value) => holds(world, String(value)),
  'Fn::GetAtt': (world, value) => {
    const [id, attribute] = value as [string, string];
    world.names.add(id);
    return attributeOf(world, id, attribute);
  },
  'Fn::If': (world, value) => {
    const [condition, yes, no] = value as [string, unknown, unknown];
    return resolve(world, holds(world, condition) ? yes : no);
  },
  'Fn::Equals': (world, value) => {
    const [a, b] = list(world, value);
    return String(a) === String(b);
  },
  'Fn::Not': (world, value) => list(world, value)[0] !== true,
  'Fn::And': (world, value) => list(world, value).every((item) => item === true),
  'Fn::Or': (world, value) => list(world, value).some((item) => item === true),
  'Fn::Contains': (world, value) => {
    const [items, item] = list(world, value) as [unknown[], unknown];
    return items.includes(item);
  },
  'Fn::Join': (world, value) => {
    const [by, items] = value as [unknown, unknown];
    if (typeof by !== 'string') throw new Error('Fn::Join takes a text as its delimiter.');
    return list(world, items).join(by);
  },
  'Fn::Split': (world, value) => {
    const [by, text] = list(world, value) as [string, string];
    return text.split(by);
  },
  'Fn::Select': (world, value) => {
    const [at, items] = list(world, value) as [string, unknown[]];
    const chosen = items[Number(at)];
    if (chosen === undefined) throw new Error(`Fn::Select has no item ${at}.`);
    return chosen;
  },
  'Fn::GetAZs': () => ['eu-west-1a', 'eu-west-1b', 'eu-west-1c'],
  'Fn::Cidr': (world, value) => {
    const [block, count] = list(world, value) as [string, number];
    return Array.from({ length: Number(count) }, (_, at) => `${block}#${at}`);
  },
  'Fn::ImportValue': (world, value) => `<import ${String(resolve(world, value))}>`,
  'Fn::Base64': (world, value) => resolve(world, value),
  'Fn::Sub': (world, value) => {
    const [text, own = {}] = (Array.isArray(value) ? value : [value]) as [string, object?];
    const names = resolve(world, own) as Record<string, unknown>;
    return text
      .replaceAll(/\$\{([^!}][^}]*)\}/g, (_, name: string) => {
        if (name in names) return String(names[name]);
        const [id = '', ...attribute] = name.split('.');
        if (attribute.length === 0) return String(refer(world, id));
        world.names.add(id);
        return String(attributeOf(world, id, attribute.join('.')));
      })
      .replaceAll('${!', '${');
  },
};

function refer(world: World, name: string): unknown {
  if (name === 'AWS::NoValue') return GONE;
  if (name in PSEUDO) return PSEUDO[name as keyof typeof PSEUDO];
  const value = world.values[name];
  if (value !== undefined) {
    const { Type: type = '' } = (world.template['Parameters']?.[name] ?? {}) as { Type?: string };
    return /^List|^CommaDelimitedList/.test(type) ? value.split(',') : value;
  }
  if (!(name in (world.template['Resources'] ?? {}))) throw new Error(`Nothing is named ${name}.`);
  world.names.add(name);
  return nameOf(world, name);
}

const typeOf = (world: World, id: string): string => {
  const resource = world.template['Resources']?.[id] as { Type: string } | undefined;
  if (resource === undefined) throw new Error(`There is no resource ${id}.`);
  return resource.Type;
};

const account = `${PSEUDO['AWS::Region']}:${PSEUDO['AWS::AccountId']}`;

function nameOf(world: World, id: string): string {
  switch (typeOf(world, id)) {
    case 'AWS::S3::Bucket':
      return id.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase();
    case 'AWS::Logs::LogGroup':
      return String(resolve(world, propertyOf(world, id, 'LogGroupName')));
    case 'AWS::Batch::JobQueue':
      return `arn:aws:batch:${account}:job-queue/batchwell-${id}`;
    default:
      return `<${id}>`;
  }
}

function propertyOf(world: World, id: string, name: string): unknown {
  const resource = world.template['Resources']?.[id] as Record<string, object> | undefined;
  return (resource?.['Properties'] as Record<string, unknown> | undefined)?.[name];
}

function attributeOf(world: World, id: string, attribute: string): string {
  if (attribute !== 'Arn') return `<${id}.${attribute}>`;
  switch (typeOf(world, id)) {
    case 'AWS::S3::Bucket':
      return `arn:aws:s3:::${nameOf(world, id)}`;
    case 'AWS::IAM::Role':
      return `arn:aws:iam::111122223333:role/${id}`;
    case 'AWS::SQS::Queue':
      return `arn:aws:sqs:${account}:${id}`;
    case 'AWS::Logs::LogGroup':
      return `arn:aws:logs:${account}:log-group:${nameOf(world, id)}:*`;
    default:
      return `<${id}.Arn>`;
  }
}
