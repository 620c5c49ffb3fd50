/** What every template is made of: a stack without bootstrap, its parameters, and its conditions. */
import {
  App,
  BootstraplessSynthesizer,
  CfnCondition,
  CfnDeletionPolicy,
  CfnOutput,
  CfnParameter,
  type CfnResource,
  CfnRule,
  Fn,
  Stack,
  Token,
  Tokenization,
  Validations,
  type ICfnConditionExpression,
  type ICfnRuleConditionExpression,
} from 'aws-cdk-lib';
import type { Parameter, Parameters } from '../parameters/parameter.ts';

export type Declared<P extends Parameters> = { readonly [Name in keyof P]: CfnParameter };

/** An app that asks AWS nothing. What the CDK finds wrong in a template is an error. */
export const createApp = (outdir: string): App =>
  new App({
    outdir,
    analyticsReporting: false,
    treeMetadata: false,
    context: { '@aws-cdk/core:validateAgainstDefaultRules': true },
  });

export function createStack(app: App, name: string, description: string): Stack {
  const stack = new Stack(app, name, {
    description,
    synthesizer: new BootstraplessSynthesizer(),
    analyticsReporting: false,
  });
  Validations.of(stack).acknowledge(
    {
      id: 'CloudFormation-Validate::W1001',
      reason:
        'Conditional resources are only named in Fn::If of the same condition: a test holds it.',
    },
    {
      id: 'CloudFormation-Validate::W1030',
      reason:
        'It looks at empty defaults whose use depends on a condition, and at arguments of Cidr.',
    },
    {
      id: 'CloudFormation-Validate::E1154',
      reason: 'The same, for an empty list of subnets.',
    },
    {
      id: 'CloudFormation-Validate::W2509',
      reason: 'The ARN of a secret is not secret.',
    },
  );
  return stack;
}

export function declare<P extends Parameters>(stack: Stack, parameters: P): Declared<P> {
  const made = Object.entries(parameters).map(
    ([name, parameter]) => [name, declareOne(stack, name, parameter)] as const,
  );
  return Object.fromEntries(made) as Declared<P>;
}

function declareOne(stack: Stack, name: string, parameter: Parameter): CfnParameter {
  const { type, fallback, unit, reason, allowed, pattern, range, secret } = parameter;
  return new CfnParameter(stack, name, {
    type: type ?? 'String',
    description: unit === undefined ? reason : `${reason} Unit: ${unit}.`,
    ...(fallback !== undefined && { default: fallback }),
    ...(allowed && { allowedValues: [...allowed] }),
    ...(pattern !== undefined && { allowedPattern: pattern }),
    ...(range && { minValue: range[0], maxValue: range[1] }),
    ...(secret && { noEcho: true }),
  });
}

export const condition = (
  stack: Stack,
  name: string,
  expression: ICfnConditionExpression,
): CfnCondition => new CfnCondition(stack, name, { expression });

export const isSet = (parameter: CfnParameter): ICfnConditionExpression =>
  Fn.conditionNot(isEmpty(parameter));

/** A list counts as empty if its only element is. */
export const isEmpty = (parameter: CfnParameter): ICfnConditionExpression =>
  Fn.conditionEquals(
    parameter.type === 'CommaDelimitedList'
      ? Fn.join('', parameter.valueAsList)
      : parameter.valueAsString,
    '',
  );

export const is = (parameter: CfnParameter, value: string): ICfnRuleConditionExpression =>
  Fn.conditionEquals(parameter.valueAsString, value) as ICfnRuleConditionExpression;

export const not = (expression: ICfnConditionExpression): ICfnRuleConditionExpression =>
  Fn.conditionNot(expression) as ICfnRuleConditionExpression;

/** The resource exists only where the condition holds. */
export function only<R extends CfnResource>(when: CfnCondition, resource: R): R {
  resource.cfnOptions.condition = when;
  return resource;
}

/** The resource and its data stay when the stack is deleted. */
export function keep(resource: CfnResource): void {
  resource.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN;
  resource.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
}

/** CloudFormation checks rules before it creates anything. */
export function refuse(
  stack: Stack,
  name: string,
  when: ICfnConditionExpression,
  must: ICfnConditionExpression,
  sentence: string,
): void {
  new CfnRule(stack, name, {
    ruleCondition: when as ICfnRuleConditionExpression,
    assertions: [{ assert: must as ICfnRuleConditionExpression, assertDescription: sentence }],
  });
}

/**
 * `yes` where the condition holds, else `no`; without `no` the property is left out. The CDK does not
 * look inside, so the names of properties get their capital letter here.
 */
export function choose<T>(when: CfnCondition, yes: T, no?: T): T {
  const otherwise = no === undefined ? { Ref: 'AWS::NoValue' } : capitalize(no);
  const chosen = { 'Fn::If': [when.logicalId, capitalize(yes), otherwise] };
  return (typeof yes === 'string' ? Token.asString(chosen) : chosen) as T;
}

function capitalize(value: unknown): unknown {
  if (Array.isArray(value)) return Token.isUnresolved(value) ? value : value.map(capitalize);
  if (typeof value !== 'object' || value === null || Tokenization.isResolvable(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.charAt(0).toUpperCase() + key.slice(1),
      capitalize(inner),
    ]),
  );
}

/** What another stack of ours exports. */
export const imported = (stackParameter: string, output: string): string =>
  Fn.importValue(Fn.sub(`\${${stackParameter}}-${output}`));

/** An output; with `shared`, other stacks import it. */
export function output(
  stack: Stack,
  name: string,
  description: string,
  value: unknown,
  { shared = true, when }: { shared?: boolean; when?: CfnCondition } = {},
): void {
  new CfnOutput(stack, name, {
    description,
    value: value as string,
    ...(shared && { exportName: Fn.sub(`\${AWS::StackName}-${name}`) }),
    ...(when && { condition: when }),
  });
}
