/** Says that this process is there, and drains it when an operator asks for that. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import { announceWorker, forgetWorker, type WorkerStanding } from '../../queues/fleet-workers.ts';
import type { RunningStage } from '../run-stage.ts';
import type { Runtime } from '../runtime.ts';
import { startLoop, type Loop } from './loop.ts';

const ROUND_MS = 2000;
const ID_BYTES = 3;

export function startPresence(runtime: Runtime, running: readonly RunningStage[]): Loop {
  const { queues, config, log, metrics } = runtime;
  const host = hostname();
  const id = `${host.replaceAll(/[^\w.-]/g, '-')}-${process.pid}-${randomBytes(ID_BYTES).toString('hex')}`;
  const startedMs = runtime.nowMs();
  let state: WorkerStanding['state'] = 'working';

  const announce = async (): Promise<boolean> => {
    const { values } = await metrics.stageActive.get();
    const activeAt = new Map(values.map(({ labels, value }) => [labels.stage, value]));
    return announceWorker(queues.redis, config.redisPrefix, {
      id,
      host,
      pid: process.pid,
      version: packageJson.version,
      startedMs,
      state,
      stages: running.map(({ stage, concurrency }) => ({
        stage,
        concurrency,
        active: activeAt.get(stage) ?? 0,
      })),
    });
  };
  const drain = async (): Promise<void> => {
    state = 'draining';
    log.info({ worker: id }, 'worker-draining');
    await Promise.all(running.map((stage) => stage.pause()));
    // It was resumed meanwhile.
    if (state !== 'draining') return;
    state = 'drained';
    log.info({ worker: id }, 'worker-drained');
  };
  const resume = (): void => {
    state = 'working';
    for (const stage of running) stage.resume();
    log.info({ worker: id }, 'worker-resumed');
  };

  const loop = startLoop(runtime, { name: 'presence', pauseMs: ROUND_MS }, async () => {
    if (queues.redis.status !== 'ready') return 'pause';
    const drained = await announce();
    if (drained && state === 'working')
      // Messages in progress can take minutes; the worker says meanwhile that it is there.
      void drain().catch((error: unknown) => log.error({ err: error }, 'presence-failed'));
    else if (!drained && state !== 'working') resume();
    return 'pause';
  });
  return {
    async close() {
      await loop.close();
      if (queues.redis.status === 'ready')
        await forgetWorker(queues.redis, config.redisPrefix, id).catch(() => undefined);
    },
  };
}
