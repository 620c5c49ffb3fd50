/** What holds for every template, under every combination of parameters. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stacks, synthesize, templates } from '../stacks/templates.ts';
import { matrix } from './matrix.ts';
import { deploy, policiesOf, templateOf, wordsOf } from './world.ts';

/** Above this, `aws cloudformation deploy` needs a bucket. */
const MOST_BYTES = 51_200;
/** Limits of IAM, without white space. */
const MOST_POLICY_CHARACTERS = { 'AWS::IAM::ManagedPolicy': 6_144, 'AWS::IAM::Role': 10_240 };

const folder = new URL('../templates/', import.meta.url);
const names = Object.keys(stacks);

const cases = names.flatMap((name) =>
  Object.entries(matrix[name] ?? {}).map(([title, parameters]) => ({ name, title, parameters })),
);

it('The committed templates are what infra:synth writes.', () => {
  const committed = readdirSync(folder).toSorted();
  expect(committed).toEqual(names.map((name) => `${name}.yaml`).toSorted());
  for (const [name, text] of templates())
    expect(readFileSync(new URL(`${name}.yaml`, folder), 'utf8'), name).toBe(text);
});

it.each(names)('The printed template %s says what the CDK made.', (name) => {
  expect(templateOf(name)).toEqual(synthesize(name));
});

it.each(names)('The template %s needs no bucket to be deployed.', (name) => {
  expect(readFileSync(new URL(`${name}.yaml`, folder)).length).toBeLessThan(MOST_BYTES);
});

it.each(names)('The template %s has a sentence for each parameter.', (name) => {
  for (const [parameter, { Description: text }] of Object.entries(
    templateOf(name)['Parameters'] as Record<string, { Description: string }>,
  ))
    expect(text, parameter).toMatch(/^.{20,}\.$/);
});

it.each(names)(
  'The template %s needs no bootstrap, no assets and no code of ours in Lambda.',
  (name) => {
    const types = Object.values(templateOf(name)['Resources'] ?? {}).map(
      (resource) => (resource as { Type: string }).Type,
    );
    expect(types.filter((type) => /Lambda|CustomResource|Custom::|CDK::/.test(type))).toEqual([]);
    expect(Object.keys(templateOf(name)['Parameters'] ?? {})).not.toContain('BootstrapVersion');
  },
);

describe.each(cases)('$name with $title', ({ name, parameters }) => {
  it('is accepted, and names only resources that are created.', () => {
    const evaluated = deploy(name, parameters);
    expect(evaluated.refusals).toEqual([]);
    const created = new Set(Object.keys(evaluated.resources));
    for (const [id, { names: named }] of Object.entries(evaluated.resources))
      expect(
        named.filter((other) => !created.has(other)),
        id,
      ).toEqual([]);
    expect(JSON.stringify(evaluated.outputs)).not.toContain('undefined');
  });

  it('has policies that IAM takes, with no wildcard for all actions of a service.', () => {
    const evaluated = deploy(name, parameters);
    for (const { id, statements } of policiesOf(evaluated)) {
      const most =
        MOST_POLICY_CHARACTERS[
          evaluated.resources[id]?.type as keyof typeof MOST_POLICY_CHARACTERS
        ] ?? 20_000;
      expect(JSON.stringify(statements).length, id).toBeLessThan(most);
      const wide = statements
        .filter(({ Effect: effect }) => effect === 'Allow')
        .flatMap(({ Action: action }) => wordsOf(action))
        .filter((word) => word.endsWith('*'));
      expect(wide, id).toEqual([]);
    }
  });

  it('is open to nobody outside.', () => {
    for (const { properties } of Object.values(deploy(name, parameters).resources)) {
      const { SecurityGroupIngress: ingress = [] } = properties;
      expect(JSON.stringify(ingress)).not.toMatch(/0\.0\.0\.0\/0|::\/0/);
    }
  });
});

const cfnLint = findCfnLint();

it.skipIf(cfnLint === undefined).each(names)('cfn-lint finds nothing in %s.', (name) => {
  // W1030 and W1031 look at the empty defaults of parameters whose use depends on a condition.
  const path = new URL(`${name}.yaml`, folder).pathname;
  const { status, stdout } = spawnSync(cfnLint ?? '', [
    '--ignore-checks',
    'W1030',
    'W1031',
    '--',
    path,
  ]);
  expect([status, String(stdout)]).toEqual([0, '']);
});

/** Earlier than 1.58 does not know EcsSettings. */
function findCfnLint(): string | undefined {
  const program = process.env['CFN_LINT'] ?? 'cfn-lint';
  try {
    const said = execFileSync(program, ['--version'], { encoding: 'utf8' });
    const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(said) ?? [];
    return Number(major) > 1 || Number(minor) >= 58 ? program : undefined;
  } catch {
    return undefined;
  }
}
