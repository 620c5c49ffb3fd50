/** Events of a stack: progress, and the reasons of a failure. */
import { DescribeStackEventsCommand, type StackEvent } from '@aws-sdk/client-cloudformation';
import type { Deployment } from './deployment.ts';

const STARTS = new Set([
  'CREATE_IN_PROGRESS',
  'UPDATE_IN_PROGRESS',
  'DELETE_IN_PROGRESS',
  'IMPORT_IN_PROGRESS',
]);

/** The stack's own event with which an operation starts. */
const isStart = ({ PhysicalResourceId: id, StackId: stack, ResourceStatus: status }: StackEvent) =>
  id === stack && STARTS.has(status ?? '');

/**
 * Events after `lastSeen`, the oldest first; without it, those of the newest operation.
 * CloudFormation lists the newest first.
 */
export async function newEvents(
  { clients }: Deployment,
  stack: string,
  lastSeen: string | undefined,
): Promise<StackEvent[]> {
  const events: StackEvent[] = [];
  let next: string | undefined;
  do {
    const page = await clients.cloudformation.send(
      new DescribeStackEventsCommand({ StackName: stack, NextToken: next }),
    );
    for (const event of page.StackEvents ?? []) {
      if (lastSeen !== undefined && event.EventId === lastSeen) return events.toReversed();
      events.push(event);
      if (lastSeen === undefined && isStart(event)) return events.toReversed();
    }
    next = page.NextToken;
  } while (next !== undefined);
  return events.toReversed();
}

const WORDS: Readonly<Record<string, string>> = {
  CREATE_COMPLETE: 'created',
  UPDATE_COMPLETE: 'updated',
  DELETE_COMPLETE: 'deleted',
  DELETE_SKIPPED: 'kept',
};

export interface Progress {
  /** Resources at which CloudFormation works now. */
  working: Set<string>;
  /** Resources that failed, with the reason. */
  failures: string[];
  /** Resources that stay although their stack does not need them any more. */
  kept: string[];
}

export const createProgress = (): Progress => ({
  working: new Set(),
  failures: [],
  kept: [],
});

/** Notes an event. Returns the line to print, if it is worth one. */
export function noteEvent(progress: Progress, event: StackEvent): string | undefined {
  const { LogicalResourceId: id = '', ResourceStatus: status = '' } = event;
  if (event.PhysicalResourceId === event.StackId) return undefined;
  if (status.endsWith('_IN_PROGRESS')) {
    progress.working.add(id);
    return undefined;
  }
  progress.working.delete(id);
  const title = `${id} (${event.ResourceType ?? 'unknown type'})`;
  if (status.endsWith('_FAILED')) return noteFailure(progress, title, event);
  if (status === 'DELETE_SKIPPED') progress.kept.push(`${event.PhysicalResourceId ?? id} (${id})`);
  return `${(WORDS[status] ?? status).padEnd(8)} ${title}`;
}

function noteFailure(
  progress: Progress,
  title: string,
  { ResourceStatus: status, ResourceStatusReason: reason }: StackEvent,
): string | undefined {
  // Whatever was at work when another resource failed is cancelled; that is no reason.
  if (/^Resource \w+ cancelled/i.test(reason ?? '')) return undefined;
  const failure = `${title}: ${reason ?? status ?? ''}`;
  progress.failures.push(failure);
  return `failed   ${failure}`;
}
