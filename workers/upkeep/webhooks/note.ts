/** Notes what webhooks are to be sent, from the log of changes. */
import { describeError } from '../../../core/isolation/whose-fault.ts';
import { isEnd } from '../../../core/places.ts';
import { viewScatter, type ScatterSummary } from '../../../core/scatter/scatter-view.ts';
import type { ReportedTask } from '../../../core/notify/task-event.ts';
import { composeDeliveries } from '../../../core/notify/webhooks.ts';
import { readChanges } from '../../../db/changes.ts';
import { inTransaction, type Session } from '../../../db/client.ts';
import { countScatter, readScatter } from '../../../db/scatter-views.ts';
import { readReportedTasks } from '../../../db/reported-tasks.ts';
import {
  insertDeliveries,
  lockReader,
  moveReader,
  readWebhooks,
  type WebhookRow,
} from '../../../db/webhooks.ts';
import { inHalves } from '../../isolation/in-halves.ts';
import type { Runtime } from '../../runtime.ts';

/** Up to 1,000 tasks each. */
const CHANGES_AT_ONCE = 5;

/**
 * Notes deliveries for the next part of the log, in the transaction that moves the reader on:
 * nothing is lost, and nothing is noted twice. Returns whether there is more to read.
 */
export function noteDeliveries(runtime: Runtime): Promise<boolean> {
  return inTransaction(runtime.database, async (session) => {
    const at = await lockReader(session);
    if (at === undefined) return false;
    const page = await readChanges(session, at, CHANGES_AT_ONCE);
    if (page.upTo === at) return false;
    const webhooks = await readWebhooks(session);
    const endedIds = new Set(page.changes.flatMap(({ tasks, ended }) => (ended ? tasks : [])));
    if (webhooks.length > 0 && endedIds.size > 0) {
      const tasks = await readEnded(runtime, session, [...endedIds]);
      const scatters = await readEndedScatters(session, webhooks, tasks);
      const nowMs = runtime.nowMs();
      const compose = (some: readonly ReportedTask[], ended: typeof scatters) =>
        composeDeliveries(webhooks, { tasks: some, scatters: ended, place: page.upTo, nowMs });
      const { results, bad } = await inHalves(tasks, async (some) => compose(some, []));
      tellBad(
        runtime,
        bad.map(({ item, error }) => ({ item: item.id, error })),
      );
      const isBad = new Set(bad.map(({ item }) => item));
      // Together: a delivery is named by its part of the whole.
      const reports =
        bad.length === 0
          ? results.flat()
          : compose(
              tasks.filter((task) => !isBad.has(task)),
              [],
            );
      await insertDeliveries(session, [...reports, ...compose([], scatters)], nowMs);
    }
    runtime.passCrashPoint('webhooks.noted');
    await moveReader(session, page.upTo);
    return page.more;
  });
}

/** A task that cannot be read has no delivery; those of the others are sent all the same. */
async function readEnded(
  runtime: Runtime,
  session: Session,
  ids: readonly number[],
): Promise<ReportedTask[]> {
  const { results, bad } = await inHalves(ids, (some) => readReportedTasks(session, some));
  tellBad(runtime, bad);
  return results.flat().filter(({ place }) => isEnd(place));
}

function tellBad({ log }: Runtime, bad: readonly { item: number; error: unknown }[]): void {
  for (const { item, error } of bad)
    log.error({ taskId: item, error: describeError(error) }, 'webhook-not-composed');
}

/** The scatters whose every task has ended, of owners with a webhook for them. */
async function readEndedScatters(
  session: Session,
  webhooks: readonly WebhookRow[],
  tasks: readonly ReportedTask[],
): Promise<{ owner: string; scatter: ScatterSummary }[]> {
  const owners = new Set(
    webhooks.flatMap(({ owner, wants }) => (wants.events.includes('scatter.ended') ? [owner] : [])),
  );
  const ids = new Set(
    tasks.flatMap(({ owner, scatter }) => (scatter && owners.has(owner) ? [scatter.id] : [])),
  );
  const ended: { owner: string; scatter: ScatterSummary }[] = [];
  for (const id of ids) {
    const row = await readScatter(session, id);
    const scatter = row && viewScatter(row, await countScatter(session, id));
    if (row && scatter?.ended) ended.push({ owner: row.owner, scatter });
  }
  return ended;
}
