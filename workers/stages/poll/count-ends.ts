/** Counts attempts that ended: the spans of their tasks, and what they used. */
import { hourlyCost, rateOf, type Asked } from '../../../core/cost/prices.ts';
import { spansOfRun } from '../../../core/fleet/spans.ts';
import { readAsked } from '../../../db/fleet-count.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { Runtime } from '../../runtime.ts';
import type { PolledAttempt } from './apply.ts';

const MS_PER_SECOND = 1000;
const MS_PER_HOUR = 3_600_000;
const MOST_DEFINITIONS = 1000;

/** What job definitions ask for never changes. */
const known = new Map<string, Asked>();

async function askedOf(runtime: Runtime, id: number): Promise<Asked | undefined> {
  const key = `${runtime.installation} ${id}`;
  // A count that is missed must not delay the tasks that have ended.
  const read = () => readAsked(runtime.database.pool, [id]).catch(() => undefined);
  const found = known.get(key) ?? (await read())?.get(id);
  if (known.size >= MOST_DEFINITIONS) known.clear();
  if (found) known.set(key, found);
  return found;
}

/** Attempts without a record have no times that are known. */
export async function countEnds(
  runtime: Runtime,
  submission: SubmissionRow,
  ended: readonly PolledAttempt[],
): Promise<void> {
  const { metrics, usage, prices, config } = runtime;
  const seenMs = runtime.nowMs();
  let ranMs = 0;
  for (const { attempt, result } of ended) {
    const record = result?.record;
    if (!record) continue;
    ranMs += Math.max(0, record.endedMs - record.startedMs);
    const spans = spansOfRun({
      // A retried task was accepted long before.
      acceptedMs: attempt.number === 1 ? attempt.createdMs : undefined,
      submittedMs: submission.submittedMs ?? undefined,
      startedMs: record.startedMs,
      endedMs: record.endedMs,
      seenMs,
    });
    for (const { span, ms } of spans) metrics.taskSpanSeconds.observe({ span }, ms / MS_PER_SECOND);
  }
  if (ranMs === 0) return;
  const asked = await askedOf(runtime, submission.jobDefinitionId);
  if (!asked) return;
  const rate = rateOf(prices, submission.queue, config);
  usage.add('vcpu-seconds', submission.owner, (ranMs / MS_PER_SECOND) * asked.vcpus);
  usage.add('cost', submission.owner, (ranMs / MS_PER_HOUR) * hourlyCost(asked, rate));
}
