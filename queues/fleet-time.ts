/**
 * Queues on the fleet's clock. BullMQ stamps messages, delays them and takes delayed ones by the
 * wall clock of whichever host it runs on: a message that a host ten minutes ahead delays by a
 * second would wait ten minutes for the others. At the border to Redis, host time becomes fleet
 * time, and what comes back becomes host time again.
 */
import { createRedisBackend, type BackendFactory, type RedisQueueBackend } from 'bullmq';

/** Commands that take the present time, and may answer with when the next delayed message is due. */
const TIMED = new Set([
  'moveToActive',
  'moveToDelayed',
  'moveToFinished',
  'moveStalledJobsToWait',
  'retryJob',
]);
/** An argument this close to the host's time is the host's time; it was read just before. */
const JUST_READ_MS = 2000;
/** Where the due time is in an answer: [job, id, rate limit, due time]. */
const DUE_AT = 3;

/** @param nowMs the fleet's clock */
export const fleetTimeBackend =
  (nowMs: () => number): BackendFactory<RedisQueueBackend> =>
  (...given) => {
    const backend = createRedisBackend(...given);
    const execute = backend.execCommand.bind(backend);
    backend.execCommand = (client, name, args) => {
      if (!TIMED.has(name)) return execute(client, name, args) as unknown;
      const hostMs = Date.now();
      const aheadMs = hostMs - nowMs();
      const inFleetTime = (args as unknown[]).map((arg) =>
        typeof arg === 'number' && Math.abs(arg - hostMs) < JUST_READ_MS ? arg - aheadMs : arg,
      );
      const answer = execute(client, name, inFleetTime) as Promise<unknown>;
      return answer.then((found) => inHostTime(found, aheadMs));
    };
    const waitForJob = backend.waitForJob.bind(backend);
    backend.waitForJob = async (blockTimeout) => {
      const found = await waitForJob(blockTimeout);
      return found && found.score > 0
        ? { ...found, score: found.score + Date.now() - nowMs() }
        : found;
    };
    return backend;
  };

function inHostTime(answer: unknown, aheadMs: number): unknown {
  if (!Array.isArray(answer)) return answer;
  const dueMs = Number(answer[DUE_AT]);
  return dueMs > 0 ? answer.with(DUE_AT, dueMs + aheadMs) : (answer as unknown);
}
