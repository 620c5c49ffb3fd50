/** The queue `intake`, through which services that speak BullMQ hand in tasks. The one queue whose messages hold more than ids. */
import { DelayedError, UnrecoverableError, Worker, type Job } from 'bullmq';
import { closeInTime } from './closing.ts';
import { connectRedis } from './queues.ts';

export const INTAKE_QUEUE = 'intake';

/** `value` is what the sender gets; `refused` fails the message for good; `later` puts it off, however few tries it was given. */
export type IntakeAnswer = { value: unknown } | { refused: string } | { later: true };

export interface IntakeMessage {
  name: string;
  data: unknown;
  /** The same however often the message is delivered, and of no other message. */
  deliveryId: string;
}

export interface IntakeOptions {
  redisUrl: string;
  prefix: string;
  lockMs: number;
  onTrouble(error: Error): void;
}

const MESSAGES_AT_ONCE = 50;
const LATER_MS = 5000;
/** A process may die with a message in hand as often as it likes: what was made is recognised. */
const MOST_STALLS = 1000;

/** Takes messages until it is closed. */
export function openIntake(
  options: IntakeOptions,
  take: (message: IntakeMessage) => Promise<IntakeAnswer>,
): { close(): Promise<void> } {
  const connection = connectRedis(options.redisUrl);
  const work = async (job: Job, token: string | undefined): Promise<unknown> => {
    const answer = await take({
      name: job.name,
      data: job.data,
      deliveryId: `${job.id}@${job.timestamp}`,
    });
    if ('value' in answer) return answer.value;
    if ('refused' in answer) throw new UnrecoverableError(answer.refused);
    await job.moveToDelayed(Date.now() + LATER_MS, token);
    throw new DelayedError();
  };
  const worker = new Worker(INTAKE_QUEUE, work, {
    connection,
    prefix: options.prefix,
    concurrency: MESSAGES_AT_ONCE,
    maxStalledCount: MOST_STALLS,
    lockDuration: options.lockMs,
    stalledInterval: options.lockMs,
  });
  worker.on('error', options.onTrouble);
  return {
    async close() {
      await closeInTime(worker.close(), connection);
      connection.disconnect();
    },
  };
}
