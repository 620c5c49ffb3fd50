/** The grouped counts of the whole fleet that one worker makes for the metrics. */
import { append } from '../core/append.ts';
import type { Asked } from '../core/cost/prices.ts';
import type { FleetRows, LooseTasks, OpenSubmissions } from '../core/fleet/load.ts';
import type { DefinitionContent } from '../core/container/job-definition.ts';
import type { Session } from './client.ts';
import { fromJson, select } from './rows.ts';

type Flags = 'isInBatch' | 'isStarted' | 'isHeldUp';
type SubmissionGroup = Omit<OpenSubmissions, Flags> & Record<Flags, number>;

/**
 * Tasks of an open submission are counted in its row, which has the number of its open attempts. Of
 * the tasks, only those are read that no submission has (100,000 in 0.3 s on a busy machine).
 */
export async function countFleet(session: Session): Promise<FleetRows> {
  const [loose, groups] = await Promise.all([
    select<LooseTasks>(
      session,
      `SELECT owner, place, COUNT(*) AS tasks, MIN(moved_ms) AS oldestMs
        FROM tasks FORCE INDEX (tasks_due) WHERE due_ms IS NOT NULL GROUP BY owner, place`,
    ),
    select<SubmissionGroup>(
      session,
      `SELECT owner, queue, job_definition_id AS jobDefinitionId, state = 'running' AS isInBatch,
         running_ms IS NOT NULL AS isStarted, waiting_reason IS NOT NULL AS isHeldUp,
         CAST(SUM(open) AS DOUBLE) AS open,
         CAST(SUM(GREATEST(0, CAST(open AS SIGNED) - CAST(COALESCE(unstarted, open) AS SIGNED))) AS DOUBLE) AS running, MIN(COALESCE(submitted_ms, created_ms)) AS oldestMs
        FROM submissions FORCE INDEX (submissions_watch)
        WHERE state IN ('packed', 'calling', 'running')
        GROUP BY owner, queue, jobDefinitionId, isInBatch, isStarted, isHeldUp`,
    ),
  ]);
  return {
    loose,
    submissions: groups.map(({ isInBatch, isStarted, isHeldUp, ...group }) => ({
      ...group,
      isInBatch: isInBatch === 1,
      isStarted: isStarted === 1,
      isHeldUp: isHeldUp === 1,
    })),
  };
}

const IDS_PER_READ = 500;

/** What containers of these job definitions ask for, by id. */
export async function readAsked(
  session: Session,
  ids: readonly number[],
): Promise<Map<number, Asked>> {
  const rows: { id: number; content: string }[] = [];
  for (let start = 0; start < ids.length; start += IDS_PER_READ)
    append(
      rows,
      await select<{ id: number; content: string }>(
        session,
        'SELECT id, content FROM job_definitions WHERE id IN (?)',
        [ids.slice(start, start + IDS_PER_READ)],
      ),
    );
  return new Map(
    rows.map(({ id, content }) => [id, askedOf(fromJson<DefinitionContent>(content))]),
  );
}

const MIB_PER_GIB = 1024;

function askedOf({ containerProperties }: DefinitionContent): Asked {
  const valueOf = (wanted: string): number =>
    Number(
      containerProperties.resourceRequirements.find(({ type }) => type === wanted)?.value ?? 0,
    );
  return { vcpus: valueOf('VCPU'), gib: valueOf('MEMORY') / MIB_PER_GIB };
}
