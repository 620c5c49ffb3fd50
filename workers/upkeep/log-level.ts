/** Follows the level of the log that an admin asked the API for. */
import { readLogLevel } from '../../queues/log-level.ts';
import { logLevels, setLogLevel } from '../../telemetry/log.ts';
import type { Runtime } from '../runtime.ts';
import { startLoop, type Loop } from './loop.ts';

const PAUSE_MS = 5000;

export function followLogLevel(runtime: Runtime): Loop {
  const { queues, config } = runtime;
  let was: string | undefined;
  return startLoop(runtime, { name: 'log-level', pauseMs: PAUSE_MS }, async () => {
    const wanted = await readLogLevel(queues.redis, config.redisPrefix);
    // Only a change counts, so that a signal to one process holds.
    if (wanted !== was) setLogLevel(logLevels.find((level) => level === wanted));
    was = wanted;
    return 'pause';
  });
}
