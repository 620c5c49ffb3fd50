/** A stack as it is, and what CloudFormation does with it until that has ended. */
import {
  DeleteStackCommand,
  DescribeStacksCommand,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import { pause, type Deployment } from './deployment.ts';
import { messageOf, Refusal } from './errors.ts';
import { createProgress, newEvents, noteEvent, type Progress } from './events.ts';
import type { ParameterValues } from './parameters.ts';
import { isInProgress } from './status.ts';

export interface StackState {
  id: string;
  name: string;
  status: string;
  reason: string | undefined;
  parameters: ParameterValues;
  outputs: Readonly<Record<string, string>>;
}

/** By name or ID; `undefined` where there is none. An ID also finds a stack that was deleted. */
export async function readStack(
  { clients }: Deployment,
  stack: string,
): Promise<StackState | undefined> {
  try {
    const { Stacks: [seen] = [] } = await clients.cloudformation.send(
      new DescribeStacksCommand({ StackName: stack }),
    );
    return seen && stateOf(seen);
  } catch (error) {
    if (/does not exist/.test(messageOf(error))) return undefined;
    throw error;
  }
}

const stateOf = (stack: Stack): StackState => ({
  id: stack.StackId ?? '',
  name: stack.StackName ?? '',
  status: stack.StackStatus ?? '',
  reason: stack.StackStatusReason,
  parameters: Object.fromEntries(
    (stack.Parameters ?? []).map(({ ParameterKey: key = '', ParameterValue: value = '' }) => [
      key,
      value,
    ]),
  ),
  outputs: Object.fromEntries(
    (stack.Outputs ?? []).map(({ OutputKey: key = '', OutputValue: value = '' }) => [key, value]),
  ),
});

export async function mustRead(deployment: Deployment, stack: string): Promise<StackState> {
  const seen = await readStack(deployment, stack);
  if (seen === undefined) throw new Refusal(`The stack ${stack} is gone.`);
  return seen;
}

export interface Ended {
  status: string;
  progress: Progress;
}

/** Deletes a stack and waits for it. Resources that are kept by their policy are named in the events. */
export async function deleteStack(
  deployment: Deployment,
  { id }: StackState,
  retain: readonly string[] = [],
): Promise<Ended> {
  const before = await lastEvent(deployment, id);
  await deployment.clients.cloudformation.send(
    new DeleteStackCommand({
      StackName: id,
      ...(retain.length > 0 && { RetainResources: [...retain] }),
    }),
  );
  return await follow(deployment, id, before);
}

export async function lastEvent(
  deployment: Deployment,
  stack: string,
): Promise<string | undefined> {
  return (await newEvents(deployment, stack, undefined)).at(-1)?.EventId;
}

/** After this, an operation without an event had nothing to do. */
const BEGINS_WITHIN_MS = 120_000;

/** How often a line says that CloudFormation is still at work. */
const SIGN_OF_LIFE_MS = 60_000;

/** Prints events until the operation has ended. `lastSeen`: the last event before it. */
export async function follow(
  deployment: Deployment,
  id: string,
  lastSeen?: string,
): Promise<Ended> {
  const { nowMs, say } = deployment;
  const progress = createProgress();
  let last = lastSeen;
  let saidMs = nowMs();
  const startedMs = saidMs;
  for (;;) {
    // The status first: events that come after the last look are then seen by the next line.
    const status = (await readStack(deployment, id))?.status ?? 'DELETE_COMPLETE';
    for (const event of await newEvents(deployment, id, last)) {
      last = event.EventId;
      const line = noteEvent(progress, event);
      if (line === undefined) continue;
      say(`  ${line}`);
      saidMs = nowMs();
    }
    // After a request was accepted, the former status may be seen for a moment.
    const hasBegun =
      last !== lastSeen || lastSeen === undefined || nowMs() - startedMs > BEGINS_WITHIN_MS;
    if (status === 'DELETE_COMPLETE' || (!isInProgress(status) && hasBegun))
      return { status, progress };
    if (nowMs() - saidMs >= SIGN_OF_LIFE_MS) {
      saidMs = nowMs();
      say(signOfLife(progress, saidMs - startedMs));
    }
    await pause(deployment);
  }
}

const signOfLife = ({ working }: Progress, ms: number): string =>
  `  … ${Math.round(ms / 60_000)} min, working on ${[...working].slice(0, 4).join(', ') || 'the stack'}`;

/** The sentence of a failure: which stack, why, and what to do. */
export function explainFailure(
  stack: string,
  status: string,
  reason: string | undefined,
  { failures, kept }: Progress,
): string {
  const reasons = failures.length > 0 ? failures : [reason ?? 'CloudFormation gave no reason.'];
  const lines = reasons.map((one) => `  ${one}`).join('\n');
  const stays =
    kept.length > 0 ? `These stay, and the next run does not use them: ${kept.join(', ')}.\n` : '';
  return `The stack ${stack} is ${status}:\n${lines}\n${stays}Mend the cause, then run the same command again: it goes on from there.`;
}
