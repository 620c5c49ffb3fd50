/**
 * Accepts tasks and scatters from messages of the queue `intake`, by the same rules as over HTTP.
 */
import { whyNotAllowed } from '../../core/access/access.ts';
import { keyOfSender, readSendersKey } from '../../core/access/idempotency.ts';
import { isTooDeep } from '../../core/task/depth.ts';
import { openIntake, type IntakeAnswer, type IntakeMessage } from '../../queues/intake.ts';
import { messageOf } from '../error-message.ts';
import { anonymous, type Callers } from '../access/callers.ts';
import type { Caller, Refused } from '../access/caller.ts';
import { tooDeep } from '../http/deep-json.ts';
import { failure, refusal, transientCause, type FailureBody } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import type { ApiContext } from '../context.ts';
import { submitScatter, submitTask, type KeyReader, type Refusal } from './submit.ts';

/** Consumes messages while the API listens, if BATCHWELL_INTAKE is yes. */
export function consumeIntakeQueue(app: Api, context: ApiContext): void {
  const { config, log, nowMs } = context;
  if (config.intake === 'no') return;
  let intake: ReturnType<typeof openIntake> | undefined;
  const onTrouble = (error: Error): void =>
    log.error({ event: 'intake-trouble', error: error.message }, 'intake-trouble');
  app.addHook('onListen', async () => {
    intake = openIntake(
      {
        redisUrl: config.redisUrl,
        prefix: config.redisPrefix,
        lockMs: config.lockMs,
        nowMs,
        onTrouble,
        canProceed: () => context.database.standing().up,
      },
      (message) => handleMessage(context, message),
    );
  });
  app.addHook('preClose', async () => intake?.close());
}

export async function handleMessage(
  context: ApiContext,
  message: IntakeMessage,
): Promise<IntakeAnswer> {
  const { log } = context;
  try {
    const answer = await submit(context, message);
    if (!('refused' in answer)) return { value: answer };
    log.info({ event: 'intake-refused', status: answer.refused.status_code }, 'intake-refused');
    return { refused: sentence(answer.refused) };
  } catch (error) {
    if (!transientCause(error)) throw error;
    log.warn({ event: 'intake-put-off', error: messageOf(error) }, 'intake-put-off');
    return { later: true };
  }
}

async function submit(
  context: ApiContext,
  { name, data, deliveryId }: IntakeMessage,
): Promise<{ id: string; tasks?: number; equal_rows?: number } | Refusal> {
  if (isTooDeep(data)) return { refused: refusal([tooDeep()]) };
  const { token, key, ...rest } = (typeof data === 'object' && data !== null ? data : {}) as Record<
    string,
    unknown
  >;
  const caller = await findCaller(context.callers, token);
  if ('refused' in caller) return { refused: failure(401, caller.refused) };
  const { access } = caller;
  const forbidden = whyNotAllowed(access, 'submit');
  if (forbidden !== undefined) return { refused: failure(403, forbidden) };
  const readKey: KeyReader = (asked) =>
    key === undefined
      ? keyOfSender(`message ${deliveryId}`, asked)
      : readSendersKey(key, 'key', asked);
  if (name === 'task') return submitTask(context, access, rest['task'], readKey);
  if (name !== 'scatter')
    return {
      refused: failure(
        400,
        `The message is named ${JSON.stringify(name.slice(0, 60))}. Name it task or scatter.`,
      ),
    };
  const scatter = await submitScatter(context, access, { body: rest['scatter'] }, readKey);
  if ('refused' in scatter) return scatter;
  return { id: scatter.id, tasks: scatter.taskIds.length, equal_rows: scatter.equalRows };
}

async function findCaller(callers: Callers, token: unknown): Promise<Caller | Refused> {
  if (!callers.tokensRequired) return anonymous;
  return typeof token === 'string'
    ? callers.find(token)
    : { refused: 'The message has no token. Put the token in data.token.' };
}

/** Includes every problem: a failed message holds only one string. */
const sentence = ({ status_code: status, message, problems = [] }: FailureBody): string =>
  `${status} ${message}${problems.length > 1 ? ` ${JSON.stringify(problems)}` : ''}`;
