/** Templates under parameters, as tests look at them. */
import type { TemplateJson } from '../stacks/templates.ts';
import { readTemplate } from './read-template.ts';
import { evaluate, type Evaluated, type ParameterValues, type Resource } from './evaluate.ts';

const made = new Map<string, TemplateJson>();

export function templateOf(name: string): TemplateJson {
  const template = made.get(name) ?? readTemplate(name);
  made.set(name, template);
  return template;
}

/** What must be given, and nothing else. */
export const LEAST: Record<string, ParameterValues> = {
  core: {
    VpcId: 'vpc-1',
    SubnetIds: 'subnet-a,subnet-b',
    HostRelease: 'ab'.repeat(32),
  },
  network: {},
  watch: {},
  pipeline: {},
  cromwell: {
    VpcId: 'vpc-1',
    SubnetId: 'subnet-a',
    AvailabilityZone: 'eu-west-1a',
    ImageUri: `111122223333.dkr.ecr.eu-west-1.amazonaws.com/batchwell@sha256:${'cd'.repeat(32)}`,
    Bucket: 'lab-cromwell',
  },
  service: {
    VpcId: 'vpc-1',
    SubnetIds: 'subnet-a,subnet-b',
    ImageUri: `111122223333.dkr.ecr.eu-west-1.amazonaws.com/batchwell@sha256:${'cd'.repeat(32)}`,
  },
};

export const deploy = (name: string, parameters: ParameterValues = {}): Evaluated =>
  evaluate(templateOf(name), { ...LEAST[name], ...parameters });

export function ofType({ resources }: Evaluated, type: string): Record<string, Resource> {
  return Object.fromEntries(Object.entries(resources).filter(([, one]) => one.type === type));
}

/** The properties of one resource, for `toMatchObject`. @throws Error if it does not exist */
export function propertiesOf({ resources }: Evaluated, id: string): Record<string, unknown> {
  const resource = resources[id];
  if (resource === undefined) throw new Error(`${id} was not created.`);
  return resource.properties;
}

export interface PolicyStatement {
  Sid?: string;
  Effect: string;
  Action: string | string[];
  Resource: string | string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

/** Each policy of a deployed template: its owner and its statements. */
export function policiesOf(evaluated: Evaluated): { id: string; statements: PolicyStatement[] }[] {
  return Object.entries(evaluated.resources).flatMap(([id, { properties }]) => {
    const inline = (properties['Policies'] ?? []) as { PolicyDocument: unknown }[];
    const own = properties['PolicyDocument'];
    return [...inline.map(({ PolicyDocument }) => PolicyDocument), ...(own ? [own] : [])].map(
      (document) => ({ id, statements: (document as { Statement: PolicyStatement[] }).Statement }),
    );
  });
}

export const wordsOf = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? [value] : value;

/** Of the launch template in core. */
export function userDataOf(parameters: ParameterValues): string {
  const { LaunchTemplateData: data } = propertiesOf(deploy('core', parameters), 'LaunchTemplate');
  return (data as { UserData: string }).UserData;
}
