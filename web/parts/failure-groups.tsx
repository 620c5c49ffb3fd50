/** Failed tasks by reason, with the tasks of each and a retry of them. */
import type { FailureList, RetryScatterReply } from '../../packages/client/client.ts';
import { useNow, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { hrefOf, scatterHref, taskHref } from '../model/route.ts';
import { Empty, TableBox } from './basics.tsx';
import { Confirm } from './confirm.tsx';

interface FailureGroupsProps {
  failures: FailureList;
  /** With it, the groups can be retried. */
  scatter?: string;
}

export function FailureGroups({ failures, scatter }: FailureGroupsProps) {
  if (failures.groups.length === 0) return <Empty>No task has failed.</Empty>;
  return (
    <>
      <TableBox label="Failures by reason">
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">
                Tasks
              </th>
              <th scope="col">Reason</th>
              <th scope="col">Examples</th>
              <th scope="col" class="number">
                Latest
              </th>
              {scatter !== undefined && <th scope="col">Retry</th>}
            </tr>
          </thead>
          <tbody>
            {failures.groups.map((group) => (
              <GroupRow key={group.key} group={group} scatter={scatter} />
            ))}
          </tbody>
        </table>
      </TableBox>
      {failures.more && <p class="quiet">Older failures are not counted here.</p>}
    </>
  );
}

type Group = FailureList['groups'][number];

function GroupRow({ group, scatter }: { group: Group; scatter: string | undefined }) {
  const now = useNow();
  const { code, message, tasks, examples, last } = group;
  return (
    <tr>
      <td class="number">
        <strong>{format.count(tasks)}</strong>
      </td>
      <td>
        <a
          class="mono"
          href={
            scatter === undefined
              ? hrefOf('tasks', { failure: code })
              : scatterHref(scatter, { failure: code })
          }
        >
          {code}
        </a>
        <div class="why">{message}</div>
      </td>
      <td class="mono">
        {examples.slice(0, SHOWN_EXAMPLES).map((id) => (
          <div key={id}>
            <a href={taskHref(id)}>{id}</a>
          </div>
        ))}
      </td>
      <td class="number">{format.ago(last, now)}</td>
      {scatter !== undefined && (
        <td>
          <RetryButton scatter={scatter} group={group} />
        </td>
      )}
    </tr>
  );
}

const SHOWN_EXAMPLES = 3;

interface RetryButtonProps {
  scatter: string;
  /** All failed tasks without it. */
  group?: Group;
  tasks?: number;
}

export function RetryButton({ scatter, group, tasks = group?.tasks ?? 0 }: RetryButtonProps) {
  const { service } = useShared();
  return (
    <Confirm
      label={group ? 'Retry' : 'Retry the failed tasks'}
      {...(group && { of: `${format.tasks(tasks)} that failed with ${group.code}` })}
      question={`Retry ${format.tasks(tasks)}?`}
      act={async (key) => {
        const made = await service.post<RetryScatterReply>(
          `/v1/scatters/${encodeURIComponent(scatter)}:retry`,
          group ? { groups: [group.key] } : {},
          key,
        );
        location.hash = scatterHref(made.id);
        return `${format.tasks(made.tasks)} were submitted as a new scatter.`;
      }}
    >
      <p>
        The end of a task is final, so each is submitted as a new task that does the same, in a new
        scatter. Tasks that are done stay as they are.
      </p>
    </Confirm>
  );
}
