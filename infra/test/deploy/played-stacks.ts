/**
 * A CloudFormation that plays: stacks with change sets, events, rollbacks, and exports in use. Time
 * passes with each DescribeStacks. Templates are evaluated for real (test/evaluate.ts), so rules refuse
 * and outputs hold what the template says.
 */
import type { ParameterValues, Resource } from '../evaluate.ts';
import {
  changesOf,
  evaluated,
  outputsOf,
  Refused,
  templateBodies,
  withDefaults,
  type ChangeSet,
} from './played-changes.ts';
import { listOf, type Xml } from './xml.ts';

interface Event {
  id: string;
  resource: string;
  physical: string;
  type: string;
  status: string;
  reason: string | undefined;
}

export interface PlayedStack {
  id: string;
  name: string;
  status: string;
  template: string;
  parameters: ParameterValues;
  resources: Record<string, Resource>;
  outputs: Record<string, string>;
  events: Event[];
  changeSets: ChangeSet[];
  /** What is still to happen. */
  steps: (() => void)[];
}

export function createStacks() {
  const all: PlayedStack[] = [];
  /** Resources that fail once, by logical ID, with the reason. */
  const failures = new Map<string, string>();
  /** While it stands, or for some looks, no operation goes on. */
  const time = { stands: false, idleLooks: 0 };
  let number = 0;

  const find = (key: string): PlayedStack | undefined =>
    all.find(({ id }) => id === key) ??
    all.find(({ name, status }) => name === key && status !== 'DELETE_COMPLETE');

  const get = (key: string): PlayedStack => {
    const stack = find(key);
    if (stack === undefined)
      throw new Refused('ValidationError', `Stack with id ${key} does not exist`);
    return stack;
  };

  const note = (stack: PlayedStack, resource: string, status: string, reason?: string): void => {
    const isStack = resource === stack.name;
    stack.events.push({
      id: `event-${(number += 1)}`,
      resource,
      physical: isStack ? stack.id : physicalOf(stack, resource),
      type: isStack ? 'AWS::CloudFormation::Stack' : (stack.resources[resource]?.type ?? 'Unknown'),
      status,
      reason,
    });
    if (isStack) stack.status = status;
  };

  const physicalOf = (stack: PlayedStack, resource: string): string =>
    `${stack.name}-${resource.toLowerCase()}`;

  const create = (name: string): PlayedStack => {
    const stack: PlayedStack = {
      id: `arn:aws:cloudformation:eu-west-1:111122223333:stack/${name}/${(number += 1)}`,
      name,
      status: 'REVIEW_IN_PROGRESS',
      template: '',
      parameters: {},
      resources: {},
      outputs: {},
      events: [],
      changeSets: [],
      steps: [],
    };
    all.push(stack);
    note(stack, name, 'REVIEW_IN_PROGRESS', 'User Initiated');
    return stack;
  };

  function createChangeSet(form: URLSearchParams): Xml {
    const name = form.get('StackName') ?? '';
    const type = form.get('ChangeSetType') ?? '';
    const old = find(name);
    if (type === 'CREATE' && old !== undefined && old.status !== 'REVIEW_IN_PROGRESS')
      throw new Refused('AlreadyExistsException', `Stack [${name}] already exists`);
    if (type === 'UPDATE' && !/^(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$/.test(get(name).status))
      throw new Refused(
        'ValidationError',
        `Stack:${get(name).id} is in ${get(name).status} state and can not be updated.`,
      );
    const template = templateBodies.get(form.get('TemplateBody') ?? '');
    if (template === undefined) throw new Refused('ValidationError', 'Template format error');
    const parameters = Object.fromEntries(
      listOf(form, 'Parameters').map((one) => {
        const key = one['ParameterKey'] ?? '';
        const previous = old?.parameters[key];
        if (one['UsePreviousValue'] === 'true' && previous === undefined)
          throw new Refused(
            'ValidationError',
            `Invalid input for parameter key ${key}. Cannot specify usePreviousValue as true for a parameter key not in the previous template`,
          );
        return [key, one['ParameterValue'] ?? previous ?? ''];
      }),
    );
    const wanted = evaluated(template, name, parameters);
    if (wanted.refusals.length > 0)
      throw new Refused('ValidationError', `Template error: ${wanted.refusals.join(' ')}`);
    const stack = old ?? create(name);
    const changeSet: ChangeSet = {
      id: `arn:aws:cloudformation:eu-west-1:111122223333:changeSet/${form.get('ChangeSetName')}/${(number += 1)}`,
      type,
      looks: 0,
      template,
      parameters,
      wanted,
      changes: changesOf(stack.resources, wanted.resources),
    };
    stack.changeSets.push(changeSet);
    return { Id: changeSet.id, StackId: stack.id };
  }

  const changeSetOf = (form: URLSearchParams): [PlayedStack, ChangeSet] => {
    const stack = get(form.get('StackName') ?? '');
    const found = stack.changeSets.find(({ id }) => id === form.get('ChangeSetName'));
    if (found === undefined)
      throw new Refused(
        'ChangeSetNotFound',
        `ChangeSet [${form.get('ChangeSetName')}] does not exist`,
      );
    return [stack, found];
  };

  function describeChangeSet(form: URLSearchParams): Xml {
    const [, found] = changeSetOf(form);
    found.looks += 1;
    if (found.looks === 1) return { Status: 'CREATE_IN_PROGRESS' };
    if (found.type === 'UPDATE' && found.changes.length === 0)
      return {
        Status: 'FAILED',
        StatusReason:
          "The submitted information didn't contain changes. Submit different information to create a change set.",
      };
    // Two pages.
    const half = Math.ceil(found.changes.length / 2);
    const isFirst = form.get('NextToken') === null;
    return {
      Status: 'CREATE_COMPLETE',
      Changes: (isFirst ? found.changes.slice(0, half) : found.changes.slice(half)).map((one) => ({
        ResourceChange: {
          Action: one.action,
          LogicalResourceId: one.id,
          ResourceType: one.type,
          Replacement: one.replacement,
        },
      })),
      NextToken: isFirst ? 'second' : undefined,
    };
  }

  function executeChangeSet(form: URLSearchParams): Xml {
    const [stack, chosen] = changeSetOf(form);
    stack.changeSets = [];
    const before = { ...stack };
    const verb = chosen.type;
    note(stack, stack.name, `${verb}_IN_PROGRESS`, 'User Initiated');
    stack.resources = { ...stack.resources, ...chosen.wanted.resources };
    const failing = chosen.changes.find(({ id }) => failures.has(id));
    for (const { id, action } of chosen.changes) {
      const word = action === 'Add' ? 'CREATE' : action === 'Remove' ? 'DELETE' : 'UPDATE';
      stack.steps.push(() => note(stack, id, `${word}_IN_PROGRESS`));
      if (id === failing?.id) {
        const reason = failures.get(id);
        stack.steps.push(() => note(stack, id, `${word}_FAILED`, reason));
        failures.delete(id);
        break;
      }
      stack.steps.push(() => note(stack, id, `${word}_COMPLETE`));
    }
    const keeps = form.get('RetainExceptOnCreate') !== 'true';
    if (failing) rollBack(stack, before, verb, keeps);
    else
      stack.steps.push(() => {
        Object.assign(stack, {
          template: chosen.template,
          parameters: withDefaults(chosen.template, chosen.parameters),
          resources: chosen.wanted.resources,
          outputs: outputsOf(stack.name, chosen.wanted),
        });
        note(stack, stack.name, `${verb}_COMPLETE`);
      });
    return {};
  }

  const rollBack = (
    stack: PlayedStack,
    before: PlayedStack,
    verb: string,
    keeps: boolean,
  ): void => {
    const start = verb === 'CREATE' ? 'ROLLBACK' : 'UPDATE_ROLLBACK';
    const other = Object.keys(stack.resources).at(-1) ?? '';
    stack.steps.push(
      () =>
        note(
          stack,
          other,
          `${verb}_FAILED`,
          `Resource ${verb === 'CREATE' ? 'creation' : 'update'} cancelled`,
        ),
      () => note(stack, stack.name, `${start}_IN_PROGRESS`, 'The following resource(s) failed'),
      () => {
        // Also a creation that is rolled back keeps what its policy retains, and never a database
        // that is protected.
        for (const [id, { deletionPolicy, properties }] of Object.entries(stack.resources))
          if (deletionPolicy === 'Retain' && !(id in before.resources))
            if (keeps || properties['DeletionProtection'] === true)
              note(stack, id, 'DELETE_SKIPPED');
        stack.resources = before.resources;
        note(stack, stack.name, failures.has('rollback') ? `${start}_FAILED` : `${start}_COMPLETE`);
        failures.delete('rollback');
      },
    );
  };

  function deleteStack(form: URLSearchParams): Xml {
    const stack = find(form.get('StackName') ?? '');
    if (stack === undefined || stack.status === 'DELETE_COMPLETE') return {};
    if (stack.status === 'REVIEW_IN_PROGRESS') {
      note(stack, stack.name, 'DELETE_COMPLETE');
      return {};
    }
    note(stack, stack.name, 'DELETE_IN_PROGRESS', 'User Initiated');
    const user = all.find(
      (one) => one.status !== 'DELETE_COMPLETE' && one.parameters['CoreStack'] === stack.name,
    );
    if (user !== undefined) {
      const reason = `Export ${stack.name}-Bucket cannot be deleted as it is in use by ${user.name}`;
      stack.steps.push(() => note(stack, stack.name, 'DELETE_FAILED', reason));
      return {};
    }
    for (const [id, { deletionPolicy }] of Object.entries(stack.resources)) {
      const status = deletionPolicy === 'Retain' ? 'DELETE_SKIPPED' : 'DELETE_COMPLETE';
      const reason = failures.get(id);
      failures.delete(id);
      if (reason !== undefined) {
        stack.steps.push(
          () => note(stack, id, 'DELETE_FAILED', reason),
          () =>
            note(stack, stack.name, 'DELETE_FAILED', 'The following resource(s) failed to delete'),
        );
        return {};
      }
      stack.steps.push(() => note(stack, id, status));
    }
    stack.steps.push(() => note(stack, stack.name, 'DELETE_COMPLETE'));
    return {};
  }

  function describeStacks(form: URLSearchParams): Xml {
    const stack = get(form.get('StackName') ?? '');
    // Each look lets some time pass.
    time.idleLooks -= 1;
    if (!time.stands && time.idleLooks < 0) for (const step of stack.steps.splice(0, 5)) step();
    return {
      Stacks: [
        {
          StackId: stack.id,
          StackName: stack.name,
          StackStatus: stack.status,
          CreationTime: '2026-11-29T10:00:00Z',
          Parameters: Object.entries(stack.parameters).map(([ParameterKey, ParameterValue]) => ({
            ParameterKey,
            ParameterValue,
          })),
          Outputs: Object.entries(stack.outputs).map(([OutputKey, OutputValue]) => ({
            OutputKey,
            OutputValue,
          })),
        },
      ],
    };
  }

  /** The newest first, three a page. */
  function describeStackEvents(form: URLSearchParams): Xml {
    const stack = get(form.get('StackName') ?? '');
    const from = Number(form.get('NextToken') ?? 0);
    const page = stack.events.toReversed().slice(from, from + 3);
    return {
      StackEvents: page.map((one) => ({
        StackId: stack.id,
        StackName: stack.name,
        EventId: one.id,
        LogicalResourceId: one.resource,
        PhysicalResourceId: one.physical,
        ResourceType: one.type,
        ResourceStatus: one.status,
        ResourceStatusReason: one.reason,
        Timestamp: '2026-11-29T10:00:00Z',
      })),
      NextToken: from + 3 < stack.events.length ? String(from + 3) : undefined,
    };
  }

  function listStackResources(form: URLSearchParams): Xml {
    const stack = get(form.get('StackName') ?? '');
    return {
      StackResourceSummaries: Object.entries(stack.resources).map(([id, { type }]) => ({
        LogicalResourceId: id,
        PhysicalResourceId: physicalOf(stack, id),
        ResourceType: type,
        ResourceStatus: 'CREATE_COMPLETE',
        LastUpdatedTimestamp: '2026-11-29T10:00:00Z',
      })),
    };
  }

  function continueUpdateRollback(form: URLSearchParams): Xml {
    const stack = get(form.get('StackName') ?? '');
    note(stack, stack.name, 'UPDATE_ROLLBACK_IN_PROGRESS', 'User Initiated');
    stack.steps.push(() => note(stack, stack.name, 'UPDATE_ROLLBACK_COMPLETE'));
    return {};
  }

  const operations: Record<string, (form: URLSearchParams) => Xml> = {
    CreateChangeSet: createChangeSet,
    DescribeChangeSet: describeChangeSet,
    ExecuteChangeSet: executeChangeSet,
    DeleteChangeSet: (form) => {
      const [stack, found] = changeSetOf(form);
      stack.changeSets = stack.changeSets.filter((one) => one !== found);
      return {};
    },
    DeleteStack: deleteStack,
    DescribeStacks: describeStacks,
    DescribeStackEvents: describeStackEvents,
    ListStackResources: listStackResources,
    ContinueUpdateRollback: continueUpdateRollback,
  };
  return { all, failures, time, find, operations };
}
