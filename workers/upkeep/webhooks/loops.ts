/** Webhooks, in every worker: one at a time notes what they are to be told, and all of them send it. */
import { countPending, startReader } from '../../../db/webhooks.ts';
import type { Fleet } from '../../fleet.ts';
import { startLoop, type Loop } from '../loop.ts';
import { noteDeliveries } from './note.ts';
import { sendDue } from './send.ts';

const PAUSE_MS = 500;
/** As often as Prometheus asks. */
const COUNT_MS = 15_000;

/** None where no webhook may be. */
export function startWebhooks(fleet: Fleet): Loop[] {
  if (fleet.config.webhookOrigins.length === 0) return [];
  let started = false;
  let countedMs = 0;
  return [
    startLoop(fleet, { name: 'webhook-notes', pauseMs: PAUSE_MS }, async () => {
      if (!started) await startReader(fleet.database.pool);
      started = true;
      return (await noteDeliveries(fleet)) ? 'again' : 'pause';
    }),
    startLoop(fleet, { name: 'webhook-sender', pauseMs: PAUSE_MS }, async () => {
      const sent = await sendDue(fleet);
      if (fleet.nowMs() - countedMs >= COUNT_MS) {
        countedMs = fleet.nowMs();
        fleet.metrics.webhookPending.set(await countPending(fleet.database.pool));
      }
      return sent > 0 ? 'again' : 'pause';
    }),
  ];
}
