/**
 * One stack: brings it to a template and parameters from whatever state it is in. Run again after any
 * failure, it goes on.
 */
import { ContinueUpdateRollbackCommand } from '@aws-sdk/client-cloudformation';
import { changeStack, type Wanted } from './change-set.ts';
import { type Deployment } from './deployment.ts';
import { Refusal } from './errors.ts';
import { createProgress, newEvents, noteEvent } from './events.ts';
import {
  deleteStack,
  explainFailure,
  follow,
  lastEvent,
  mustRead,
  readStack,
  type StackState,
} from './follow.ts';
import { decideStep } from './status.ts';

/** Returns the stack as it is afterwards. @throws Refusal with the reasons of a failure */
export async function deployStack(deployment: Deployment, wanted: Wanted): Promise<StackState> {
  const tried = new Set<string>();
  for (;;) {
    const seen = await readStack(deployment, wanted.stack);
    const step = decideStep(seen?.status);
    if (seen === undefined || step.do === 'create' || step.do === 'update') {
      await changeStack(deployment, wanted, step.do === 'update' ? seen : undefined);
      return await mustRead(deployment, wanted.stack);
    }
    if (step.do === 'follow') {
      deployment.say(`${wanted.stack} is ${seen.status}: waiting until that has ended.`);
      await follow(deployment, seen.id);
      continue;
    }
    if (step.do === 'refuse' || tried.has(step.do))
      throw new Refusal(await explainStuck(deployment, seen));
    tried.add(step.do);
    const act = step.do === 'delete' ? 'Deleting what is left of it' : 'Continuing the rollback';
    deployment.say(`${wanted.stack} is ${seen.status}, because ${step.why}. ${act}.`);
    if (step.do === 'delete') await deleteStack(deployment, seen);
    else {
      const before = await lastEvent(deployment, seen.id);
      await deployment.clients.cloudformation.send(
        new ContinueUpdateRollbackCommand({ StackName: seen.id }),
      );
      await follow(deployment, seen.id, before);
    }
  }
}

async function explainStuck(deployment: Deployment, seen: StackState): Promise<string> {
  const progress = createProgress();
  for (const event of await newEvents(deployment, seen.id, undefined)) noteEvent(progress, event);
  return explainFailure(seen.name, seen.status, seen.reason, progress);
}
