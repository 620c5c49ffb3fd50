/** Work that a process repeats beside its stages. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDatabaseAway } from '../../db/unavailable.ts';
import { closeInTime } from '../../queues/closing.ts';
import { canProceed, type Runtime } from '../runtime.ts';

export interface Loop {
  /** Waits for the present round. */
  close(): Promise<void>;
}

/**
 * A round follows the one before after `pauseMs`, or at once after one that returns `again`. A
 * failed round is logged, and the next one follows. While MySQL is away, `mysql-away` has said why.
 */
export function startLoop(
  runtime: Runtime,
  { name, pauseMs }: { name: string; pauseMs: number },
  round: (stopping: AbortSignal) => Promise<'again' | 'pause'>,
): Loop {
  const stopping = new AbortController();
  const log = runtime.log.child({ stage: name });
  const running = (async () => {
    while (!stopping.signal.aborted) {
      const next = await round(stopping.signal).catch((error: unknown) => {
        log[isDatabaseAway(error) ? 'debug' : 'error']({ err: error }, `${name}-failed`);
      });
      if (next !== 'again')
        await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();
  return {
    async close() {
      stopping.abort();
      await closeInTime(running, () => canProceed(runtime));
    },
  };
}
