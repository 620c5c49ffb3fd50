/**
 * Webhooks, in every worker: one worker at a time notes what is to be sent, and all of them send
 * it.
 */
import { countPending, startReader } from '../../../db/webhooks.ts';
import type { Runtime } from '../../runtime.ts';
import { startLoop, type Loop } from '../loop.ts';
import { noteDeliveries } from './note.ts';
import { sendDue } from './send.ts';

const PAUSE_MS = 500;
/** As often as Prometheus scrapes. */
const COUNT_MS = 15_000;

/** No loops where no webhook is allowed. */
export function startWebhooks(runtime: Runtime): Loop[] {
  if (runtime.config.webhookOrigins.length === 0) return [];
  let started = false;
  let countedMs = 0;
  return [
    startLoop(runtime, { name: 'webhook-notes', pauseMs: PAUSE_MS }, async () => {
      if (!started) await startReader(runtime.database.pool);
      started = true;
      return (await noteDeliveries(runtime)) ? 'again' : 'pause';
    }),
    startLoop(runtime, { name: 'webhook-sender', pauseMs: PAUSE_MS }, async () => {
      const sent = await sendDue(runtime);
      if (runtime.nowMs() - countedMs >= COUNT_MS) {
        countedMs = runtime.nowMs();
        runtime.metrics.webhookPending.set(await countPending(runtime.database.pool));
      }
      return sent > 0 ? 'again' : 'pause';
    }),
  ];
}
