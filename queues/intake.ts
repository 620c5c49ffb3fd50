/**
 * The queue `intake`, for services that submit tasks through BullMQ. It is the only queue whose
 * messages hold more than ids.
 */
import { DelayedError, UnrecoverableError, Worker, type Job } from 'bullmq';
import { closeInTime } from './closing.ts';
import { BLOCK_SECONDS, connectRedis, RETRY_MS } from './connect.ts';
import { fleetTimeBackend } from './fleet-time.ts';

const INTAKE_QUEUE = 'intake';

/**
 * `value` is returned to the sender; `refused` fails the message without a retry; `later` delays it
 * and uses none of its tries.
 */
export type IntakeAnswer = { value: unknown } | { refused: string } | { later: true };

export interface IntakeMessage {
  name: string;
  data: unknown;
  /** Unique to the message, and the same each time it is delivered. */
  deliveryId: string;
}

export interface IntakeOptions {
  redisUrl: string;
  prefix: string;
  lockMs: number;
  /** The fleet's clock. */
  nowMs(): number;
  onTrouble(error: Error): void;
  /** False while no message can be accepted, so that a close does not wait for those in progress. */
  canProceed(): boolean;
}

const MESSAGES_AT_ONCE = 50;
const LATER_MS = 5000;
/**
 * Any number of processes can die while they hold a message: tasks created before are recognised.
 */
const MOST_STALLS = 1000;

/** Takes messages until it is closed. */
export function openIntake(
  options: IntakeOptions,
  take: (message: IntakeMessage) => Promise<IntakeAnswer>,
): { close(): Promise<void> } {
  const connection = connectRedis(options.redisUrl, options.prefix);
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
  const settings = {
    connection,
    prefix: options.prefix,
    concurrency: MESSAGES_AT_ONCE,
    maxStalledCount: MOST_STALLS,
    lockDuration: options.lockMs,
    drainDelay: BLOCK_SECONDS,
    runRetryDelay: RETRY_MS,
    stalledInterval: options.lockMs,
  };
  const worker = new Worker(INTAKE_QUEUE, work, settings, fleetTimeBackend(options.nowMs));
  worker.on('error', options.onTrouble);
  return {
    async close() {
      await closeInTime(
        worker.close(),
        () => connection.status === 'ready' && options.canProceed(),
      );
      connection.disconnect();
    },
  };
}
