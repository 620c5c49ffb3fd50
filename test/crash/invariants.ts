/**
 * What must hold after every story, whatever was killed and cut: compared from the rows, the ledger
 * and the effects.
 */
import { expect } from 'vitest';
import type { CrashWorld } from './crash-world.ts';

/**
 * Ended exactly once, with effect exactly once, each end notified, and nothing left open in MySQL or
 * running in Batch.
 */
export async function expectExactlyOnce(
  { fleet: world, notified }: Pick<CrashWorld, 'fleet' | 'notified'>,
  ids: readonly number[],
): Promise<void> {
  const tasks = await world.ended(ids);
  expect(tasks.filter(({ place }) => place !== 'done')).toEqual([]);

  const ran = tasks.filter(({ hitEntryId }) => hitEntryId === null).map(({ id }) => id);
  expect(
    world.effects.map(({ taskId }) => taskId).toSorted((a, b) => a - b),
    'each task that ran had its effect exactly once, and no other had any',
  ).toEqual(ran);

  await world.until('the end of every submission and job', async () => {
    const [open] = await world.rows(
      "SELECT COUNT(*) AS count FROM submissions WHERE state <> 'ended'",
    );
    return Number(open?.['count']) === 0 && world.batch.ledger.summary().running === 0;
  });
  await world.until('the notification of every end', () => ids.every((id) => notified().has(id)));
  expect(await world.rows('SELECT task_id FROM attempts WHERE outcome IS NULL')).toEqual([]);
  expect(
    await world.rows(
      'SELECT task_id, COUNT(*) AS count FROM attempts GROUP BY task_id, number HAVING count > 1',
    ),
  ).toEqual([]);
}
