/** A change of a stack: a change set is made, read, and executed only if it harms no data. */
import {
  CreateChangeSetCommand,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  ExecuteChangeSetCommand,
  type DescribeChangeSetCommandOutput,
  type Parameter,
  type ResourceChange,
} from '@aws-sdk/client-cloudformation';
import { readFileSync } from 'node:fs';
import { pause, type Deployment } from './deployment.ts';
import { messageOf, Refusal } from './errors.ts';
import { checkParameters, parametersOf, type ParameterValues } from './parameters.ts';
import { explainFailure, follow, lastEvent, mustRead, type StackState } from './follow.ts';
import { isGood } from './status.ts';

const KEEPS_DATA = new Set([
  'AWS::S3::Bucket',
  'AWS::RDS::DBCluster',
  'AWS::RDS::DBInstance',
  'AWS::ECR::Repository',
  'AWS::SecretsManager::Secret',
]);

export interface Wanted {
  stack: string;
  /** Name of the template, without `.yaml`. */
  template: string;
  parameters: ParameterValues;
  /** Whether resources that hold data may be replaced or removed. */
  replaceData: boolean;
}

/** A change set is made within seconds. */
const CHANGE_SET_MS = 1_000;

interface ChangeSet {
  id: string;
  stackId: string;
  isNew: boolean;
}

export async function changeStack(
  deployment: Deployment,
  wanted: Wanted,
  before: StackState | undefined,
): Promise<void> {
  const { clients, say } = deployment;
  const changeSet = await createChangeSet(deployment, wanted, before);
  let changes: ResourceChange[] | undefined;
  try {
    changes = await readChanges(deployment, changeSet, wanted.stack);
    if (changes !== undefined && !wanted.replaceData) refuseLoss(wanted.stack, changes);
  } catch (error) {
    await discard(deployment, changeSet);
    throw error;
  }
  if (changes === undefined) {
    await discard(deployment, changeSet);
    say(`${wanted.stack} is as it should be.`);
    return;
  }
  say(`${wanted.stack}: ${describe(changes, changeSet.isNew)}`);
  const lastSeen = await lastEvent(deployment, changeSet.stackId);
  await clients.cloudformation.send(
    new ExecuteChangeSetCommand({
      ChangeSetName: changeSet.id,
      StackName: changeSet.stackId,
      // What a failed creation made is empty; kept, it would only cost.
      RetainExceptOnCreate: true,
    }),
  );
  const { status, progress } = await follow(deployment, changeSet.stackId, lastSeen);
  if (isGood(status)) return;
  const { reason } = await mustRead(deployment, changeSet.stackId);
  throw new Refusal(explainFailure(wanted.stack, status, reason, progress));
}

/** A new stack gets what is given; for an old one, what is not given keeps its value. */
export function listParameters(
  template: string,
  given: ParameterValues,
  before: StackState | undefined,
): Parameter[] {
  checkParameters(template, given);
  const known = Object.keys(parametersOf(template));
  return known.flatMap((key): Parameter[] => {
    const value = given[key];
    if (value !== undefined) return [{ ParameterKey: key, ParameterValue: value }];
    const isOld = before !== undefined && key in before.parameters;
    return isOld ? [{ ParameterKey: key, UsePreviousValue: true }] : [];
  });
}

async function createChangeSet(
  { clients, nowMs }: Deployment,
  { stack, template, parameters }: Wanted,
  before: StackState | undefined,
): Promise<ChangeSet> {
  const type = before === undefined ? 'CREATE' : 'UPDATE';
  const request = new CreateChangeSetCommand({
    StackName: stack,
    ChangeSetName: `aws-deploy-${nowMs()}`,
    ChangeSetType: type,
    Description: `npm run aws:deploy, template ${template}`,
    TemplateBody: readFileSync(new URL(`../templates/${template}.yaml`, import.meta.url), 'utf8'),
    Capabilities: ['CAPABILITY_IAM'],
    Parameters: listParameters(template, parameters, before),
  });
  try {
    const { Id: id = '', StackId: stackId = '' } = await clients.cloudformation.send(request);
    return { id, stackId, isNew: type === 'CREATE' };
  } catch (error) {
    throw new Refusal(
      `CloudFormation refused the change of ${stack}: ${messageOf(error)} ${optionOf(template)}`,
    );
  }
}

const optionOf = (template: string): string => `Parameters are given by --${template} NAME=VALUE.`;

/** `undefined`: the stack is as it should be. @throws Refusal where CloudFormation says why not */
async function readChanges(
  deployment: Deployment,
  { id, stackId }: ChangeSet,
  stack: string,
): Promise<ResourceChange[] | undefined> {
  let changes: ResourceChange[] = [];
  let next: string | undefined;
  for (;;) {
    const seen: DescribeChangeSetCommandOutput = await deployment.clients.cloudformation.send(
      new DescribeChangeSetCommand({ ChangeSetName: id, StackName: stackId, NextToken: next }),
    );
    if (seen.Status === 'FAILED') {
      const reason = seen.StatusReason ?? '';
      if (/didn't contain changes|No updates are to be performed/i.test(reason)) return undefined;
      throw new Refusal(`CloudFormation refused the change of ${stack}: ${reason}`);
    }
    if (seen.Status !== 'CREATE_COMPLETE') {
      await pause(deployment, Math.min(deployment.pollMs, CHANGE_SET_MS));
      continue;
    }
    const page = (seen.Changes ?? []).flatMap(({ ResourceChange: change }) => change ?? []);
    changes = changes.concat(page);
    next = seen.NextToken;
    if (next === undefined) return changes;
  }
}

/** @throws Refusal where data would be lost, or left behind */
function refuseLoss(stack: string, changes: readonly ResourceChange[]): void {
  const lost = changes.filter(
    ({ ResourceType: type, Action: action, Replacement: replacement }) =>
      KEEPS_DATA.has(type ?? '') && (action === 'Remove' || replacement === 'True'),
  );
  if (lost.length === 0) return;
  const list = lost
    .map(({ LogicalResourceId: id, Action: action }) =>
      action === 'Remove' ? `${id} would be removed` : `${id} would be replaced by an empty one`,
    )
    .join('; ');
  throw new Refusal(
    `Nothing was changed in ${stack}: ${list}. Give back the parameters that it had, or allow it with --replace-data.`,
  );
}

const describe = (changes: readonly ResourceChange[], isNew: boolean): string => {
  const count = (action: string) => changes.filter((one) => one.Action === action).length;
  const words = [
    ['Add', 'to create'],
    ['Modify', 'to change'],
    ['Remove', 'to remove'],
  ] as const;
  const list = words
    .filter(([action]) => count(action) > 0)
    .map(([action, word]) => `${count(action)} ${word}`)
    .join(', ');
  return `${isNew ? 'a new stack, ' : ''}${list || 'only outputs or metadata change'}.`;
};

/** A change set that is not executed stays for ever, and a stack of which it was the first, too. */
async function discard({ clients, say }: Deployment, { id, stackId, isNew }: ChangeSet) {
  try {
    await clients.cloudformation.send(
      new DeleteChangeSetCommand({ ChangeSetName: id, StackName: stackId }),
    );
    if (isNew) await clients.cloudformation.send(new DeleteStackCommand({ StackName: stackId }));
  } catch (error) {
    say(`  The change set ${id} was not executed and could not be deleted: ${messageOf(error)}`);
  }
}
