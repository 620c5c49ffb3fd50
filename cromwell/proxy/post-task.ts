/** POST /tasks: inputs go to S3, then the task goes to the API with s3:// URLs. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import { planUploads, type MountedInput } from '../../core/files/cromwell-proxy.ts';
import { problemSentence, type Problem } from '../../core/problems.ts';
import { reasonOf } from '../../stager/s3.ts';
import { backoffMs } from './backoff.ts';
import type { BroughtUp } from './bring-up.ts';
import type { ProxyDependencies } from './dependencies.ts';
import { bodyOf, headersOf, parseJson, relay } from './pass-on.ts';
import { untilAborted } from './while-connected.ts';

export async function postTask(
  dependencies: ProxyDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
  connected: AbortSignal,
): Promise<FastifyReply> {
  const { map, upstream, token, log, nowMs } = dependencies;
  const startMs = nowMs();
  const body = bodyOf(request) ?? '';
  const plan = planUploads(parseJson(body), map);
  if ('problems' in plan) return reply.code(400).send(refusal(plan.problems));
  const brought = await bringUntilDone(dependencies, plan.inputs, connected);
  if ('problems' in brought) return reply.code(400).send(refusal(brought.problems));
  const sent = plan.task === undefined ? body : JSON.stringify(plan.task);
  const answer = await upstream.askUntilAnswered(
    { method: 'POST', path: '/tasks', headers: headersOf(request, token), body: sent },
    connected,
  );
  const { id } = (parseJson(answer.text) ?? {}) as { id?: string };
  log.info(
    { event: 'brought-up', task: id, status: answer.status, ...brought, ms: nowMs() - startMs },
    'brought-up',
  );
  return relay(reply, answer);
}

/**
 * Retries transient errors for as long as Cromwell waits: an answer that reports one would fail the
 * call.
 */
async function bringUntilDone(
  { bringUp, log }: ProxyDependencies,
  inputs: readonly MountedInput[],
  connected: AbortSignal,
): Promise<BroughtUp | { problems: Problem[] }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await untilAborted(bringUp.bring(inputs), connected);
    } catch (error) {
      connected.throwIfAborted();
      log.error(
        { event: 'not-brought-up', tries, nextInMs: backoffMs(tries), error: reasonOf(error) },
        'not-brought-up',
      );
    }
    await sleep(backoffMs(tries), undefined, { signal: connected });
  }
}

interface Refusal {
  status_code: 400;
  message: string;
  problems: readonly Problem[];
}

/** In the API's form. Cromwell shows the body of a refusal as the reason of the call's failure. */
function refusal(problems: readonly Problem[]): Refusal {
  const [first] = problems;
  const others = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return {
    status_code: 400,
    message: first ? `${problemSentence(first)}${others}` : 'The request is not valid.',
    problems,
  };
}
