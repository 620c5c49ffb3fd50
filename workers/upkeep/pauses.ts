/**
 * Watches which stages are paused, for the metrics. A Redis that lost its data has lost the pauses,
 * too: a worker that knew them pauses those stages again, and says so.
 */
import { stages } from '../../core/places.ts';
import { pausedStages, readPauses, setPaused, type Pause } from '../../queues/pauses.ts';
import type { Runtime } from '../runtime.ts';
import { startLoop, type Loop } from './loop.ts';

const ROUND_MS = 2000;

export function watchPauses(runtime: Runtime): Loop {
  const { queues, metrics, log } = runtime;
  let known: readonly Pause[] = [];
  return startLoop(runtime, { name: 'pauses', pauseMs: ROUND_MS }, async () => {
    if (queues.redis.status !== 'ready') return 'pause';
    const noted = await readPauses(queues);
    if (!noted && known.length > 0) {
      for (const { stage, ...pause } of known) await setPaused(queues, stage, true, pause);
      log.error({ stages: known.map(({ stage }) => stage) }, 'pause-restored');
    }
    known = noted ?? known;
    const paused = await pausedStages(queues);
    for (const stage of stages) metrics.stagePaused.set({ stage }, paused.has(stage) ? 1 : 0);
    return 'pause';
  });
}
