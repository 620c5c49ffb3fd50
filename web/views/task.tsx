/** One task: its state and why, its timeline, and tabs for all else. */
import { finalLog } from '../../packages/client/final-log.ts';
import type {
  BatchwellEvent,
  Overview,
  TaskSummary,
  TesTaskFull,
} from '../../packages/client/client.ts';
import { useEffect, useRef } from 'preact/hooks';
import { useNow, useRead, useShared, useStream } from '../hooks.ts';
import * as format from '../model/format.ts';
import { scatterHref, taskHref, taskTabs, type TaskTab } from '../model/route.ts';
import { waitingOf } from '../model/used.ts';
import { Card, Fact, Heading, Loading, State, Trouble } from '../parts/basics.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { LogView } from '../parts/log-view.tsx';
import {
  TaskAttempts,
  TaskCache,
  TaskFiles,
  TaskResources,
  TaskScript,
} from '../parts/task-tabs.tsx';
import { whyOf } from '../parts/task-table.tsx';
import { TaskTimeline } from '../parts/task-timeline.tsx';

const OPEN_MS = 3000;
const ENDS = ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED', 'PREEMPTED'];

export function Task({ id, tab }: { id: string; tab: TaskTab }) {
  const { service } = useShared();
  const path = `/ga4gh/tes/v1/tasks/${encodeURIComponent(id)}?view=FULL&states=1.1`;
  const { data, error, again } = useRead<TesTaskFull>(path, (signal) => service.get(path, signal));
  const hasEnded = data !== undefined && ENDS.includes(data.state);
  useStream<BatchwellEvent>(
    id,
    data !== undefined && !hasEnded
      ? (signal) => service.client.events({ task: id }, { signal })
      : undefined,
    again,
    again,
  );
  if (!data)
    return (
      <>
        <Heading>Task</Heading>
        {error === undefined ? <Loading /> : <Trouble error={error} />}
      </>
    );
  return (
    <>
      <div class="title">
        <div>
          <Heading>
            {data.name || id} <State state={data.state} hit={isHit(data)} />
          </Heading>
          <p class="quiet mono">{id}</p>
        </div>
        <Actions task={data} hasEnded={hasEnded} again={again} />
      </div>
      <Trouble error={error} />
      <Why task={data} hasEnded={hasEnded} />
      <Tabs id={id} tab={tab} />
      <div role="tabpanel" id="panel" aria-labelledby={`tab-${tab}`} class="panel">
        <Panel task={data} tab={tab} hasEnded={hasEnded} />
      </div>
    </>
  );
}

const isHit = (task: TesTaskFull): boolean => finalLog(task)?.metadata?.['cache'] === 'hit';

function Actions({
  task,
  hasEnded,
  again,
}: {
  task: TesTaskFull;
  hasEnded: boolean;
  again(): void;
}) {
  const { service, session } = useShared();
  const canRetry = hasEnded && task.state !== 'COMPLETE' && session.scopes.includes('submit');
  return (
    <div class="actions">
      {canRetry && (
        <Confirm
          label="Retry"
          question="Submit the task again?"
          act={async (key) => {
            const made = await service.post<{ id: string }>(
              `/v1/tasks/${encodeURIComponent(task.id)}:retry`,
              {},
              key,
            );
            location.hash = taskHref(made.id);
            return `It was submitted again as ${made.id}.`;
          }}
        >
          <p>The end of a task is final, so a new task is submitted that does the same.</p>
        </Confirm>
      )}
      {!hasEnded && session.scopes.includes('cancel') && (
        <Confirm
          danger
          label="Cancel"
          of="the task"
          question="Cancel this task?"
          act={async () => {
            await service.post(`/ga4gh/tes/v1/tasks/${encodeURIComponent(task.id)}:cancel`);
            again();
            return 'The task was cancelled.';
          }}
        />
      )}
    </div>
  );
}

/** The reason of an end, or of a wait, first; then what else is to be known. */
function Why({ task, hasEnded }: { task: TesTaskFull; hasEnded: boolean }) {
  const { service } = useShared();
  // TES has no scatters and no places.
  const path = `/v1/tasks/${encodeURIComponent(task.id)}/summary`;
  const { data: summary } = useRead<TaskSummary>(`${path} ${task.state}`, () => service.get(path));
  const isBad = hasEnded && task.state !== 'COMPLETE';
  return (
    <section class={`why-box ${isBad ? 'bad' : ''}`} aria-label="Why">
      {!hasEnded && <Waits task={task} summary={summary} />}
      {(finalLog(task)?.system_logs ?? []).map((message) => (
        <p key={message} class={isBad ? 'answer' : ''}>
          {message}
        </p>
      ))}
      <Facts task={task} summary={summary} />
    </section>
  );
}

interface SummaryProps {
  task: TesTaskFull;
  summary: TaskSummary | undefined;
}

function Waits({ task, summary }: SummaryProps) {
  const { service } = useShared();
  const { data: fleet } = useRead<Overview>(
    'stages',
    (signal) => service.get('/v1/overview', signal),
    STAGES_MS,
  );
  const blocked = blockedStage(fleet, summary);
  const waiting = waitingOf(task.logs);
  return (
    <>
      {blocked !== '' && <p class="answer">{blocked}</p>}
      {waiting ? (
        <p class={blocked === '' ? 'answer' : ''}>
          {waiting.message}
          {waiting.ahead !== undefined && ` ${format.tasks(waiting.ahead)} are ahead of it.`}{' '}
          {waiting.task !== undefined && <a href={taskHref(waiting.task)}>{waiting.task}</a>}
        </p>
      ) : (
        blocked === '' && <PlaceLine summary={summary} />
      )}
    </>
  );
}

const STAGES_MS = 5000;

function PlaceLine({ summary }: Pick<SummaryProps, 'summary'>) {
  const place = summary ? whyOf(summary) : '';
  return place === '' ? null : (
    <p class="answer">{`${place.slice(0, 1).toUpperCase()}${place.slice(1)}.`}</p>
  );
}

/** What an operator, or the want of one, does to the stage of a task. */
function blockedStage(fleet: Overview | undefined, summary: TaskSummary | undefined): string {
  const stage = fleet?.stages.find((one) => one.stage === summary?.place);
  if (stage?.paused)
    return `An administrator paused the stage ${stage.stage}. The task waits there until it is resumed.`;
  return stage?.workers === 0 ? `No worker runs ${stage.stage}, the stage of this task.` : '';
}

function Facts({ task, summary }: SummaryProps) {
  const now = useNow();
  const log = finalLog(task);
  const exitCode = log?.logs.at(-1)?.exit_code;
  const { queue, batch_job_id: job } = log?.metadata ?? {};
  return (
    <dl class="facts">
      <Fact name="Submitted">
        <time dateTime={task.creation_time}>{format.clock(task.creation_time)}</time>,{' '}
        {format.ago(task.creation_time, now)}
      </Fact>
      {exitCode !== undefined && exitCode !== -1 && <Fact name="Exit code">{exitCode}</Fact>}
      {queue !== undefined && <Fact name="Job queue">{queue}</Fact>}
      {job !== undefined && (
        <Fact name="Batch job">
          <span class="mono">{job}</span>
        </Fact>
      )}
      {Object.entries(task.tags ?? {}).map(([key, value]) => (
        <Fact key={key} name={key}>
          {value}
        </Fact>
      ))}
      {summary?.scatter !== undefined && (
        <Fact name="Scatter">
          <a href={scatterHref(summary.scatter)}>{summary.scatter}</a>, row {summary.row}
        </Fact>
      )}
    </dl>
  );
}

const tabNames: Record<TaskTab, string> = {
  summary: 'Timeline',
  logs: 'Logs',
  script: 'Script',
  cache: 'Cache',
  files: 'Files',
  attempts: 'Attempts',
};

/** As https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ asks: arrows move between tabs. */
function Tabs({ id, tab }: { id: string; tab: TaskTab }) {
  const list = useRef<HTMLDivElement>(null);
  const byKey = useRef(false);
  useEffect(() => {
    if (byKey.current) list.current?.querySelector<HTMLElement>('[aria-selected=true]')?.focus();
    byKey.current = false;
  }, [tab]);
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    byKey.current = true;
    const position = (taskTabs.indexOf(tab) + step + taskTabs.length) % taskTabs.length;
    location.replace(taskHref(id, taskTabs[position]));
  };
  return (
    <div class="tabs" role="tablist" aria-label="About the task" ref={list} onKeyDown={move}>
      {taskTabs.map((one) => (
        <button
          key={one}
          type="button"
          role="tab"
          id={`tab-${one}`}
          aria-selected={one === tab}
          aria-controls="panel"
          tabIndex={one === tab ? 0 : -1}
          onClick={() => location.replace(taskHref(id, one))}
        >
          {tabNames[one]}
        </button>
      ))}
    </div>
  );
}

function Panel({ task, tab, hasEnded }: { task: TesTaskFull; tab: TaskTab; hasEnded: boolean }) {
  switch (tab) {
    case 'logs':
      return <LogView task={task} />;
    case 'script':
      return <TaskScript id={task.id} />;
    case 'cache':
      return <TaskCache id={task.id} />;
    case 'files':
      return <TaskFiles task={task} />;
    case 'attempts':
      return <TaskAttempts task={task} />;
    default:
      return (
        <>
          <EndOfErrors task={task} hasEnded={hasEnded} />
          <Card title="Timeline">
            <TaskTimeline id={task.id} everyMs={hasEnded ? 0 : OPEN_MS} state={task.state} />
          </Card>
          <Card title="Resources">
            <TaskResources task={task} />
          </Card>
        </>
      );
  }
}

const SHOWN_LINES = 20;

/** Of a failed task, what it said last: mostly the reason. */
function EndOfErrors({ task, hasEnded }: { task: TesTaskFull; hasEnded: boolean }) {
  const stderr = finalLog(task)?.logs.findLast((one) => (one.stderr ?? '') !== '')?.stderr ?? '';
  if (!hasEnded || task.state === 'COMPLETE' || stderr === '') return null;
  const lines = stderr.trimEnd().split('\n').slice(-SHOWN_LINES);
  return (
    <Card
      title="The end of stderr"
      actions={<a href={taskHref(task.id, 'logs')}>All of the logs</a>}
    >
      <pre class="code" tabIndex={0} aria-label="The end of stderr">
        {lines.join('\n')}
      </pre>
    </Card>
  );
}
