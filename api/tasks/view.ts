/** A task as TES shows it. Pure functions of the facts. */
import { stagerExit } from '../../core/container/container.ts';
import { isEnd } from '../../core/places.ts';
import { profiles, shownStateOf } from '../../core/profiles/profiles.ts';
import { waitingSentence } from '../../core/submission/waiting-reason.ts';
import { usedByAll } from '../../core/result/usage.ts';
import { viewUsed } from './used.ts';
import type { Waiting } from '../../core/waiting/waiting.ts';
import { hideSecrets } from '../../core/task/secrets.ts';
import { escapePath } from '../../core/files/path-pattern.ts';
import { joinUrl } from '../../core/files/s3-url.ts';
import { pathInContainer } from '../../core/result/outputs.ts';
import type { ExecutorResult } from '../../core/result/result.ts';
import { publicId } from '../../core/ids.ts';
import type { StateVersion } from '../../core/task/tes-state.ts';
import type { ExecutorOf, InputOf, OutputOf, TaskSpec } from '../../core/task/task.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import type { TaskDetail, TaskStanding } from '../../db/task-views.ts';
import type { AttemptView } from '../../db/attempt-views.ts';
import type {
  TesExecutorLog,
  TesOutputFileLog,
  TesTaskFull,
  TesTaskLog,
  TesTaskMinimal,
} from '../schemas/tes.ts';

/**
 * The ends of stdout and stderr of one executor of the latest attempt, as far as they could be
 * read.
 */
export interface LogTails {
  stdout?: string;
  stderr?: string;
}

export interface TaskFacts {
  detail: TaskDetail;
  spec: TaskSpec;
  /** Latest first. */
  attempts: readonly AttemptView[];
  /** Outputs of the cache entry, for a hit. */
  hitOutputs: readonly HitFile[];
  /** By executor, of the latest attempt. */
  tails: readonly LogTails[];
  /** Absent for a task that runs or has ended. */
  waiting?: Waiting | undefined;
}

export interface HitFile {
  /** Index in the declared outputs. */
  output: number;
  path: string;
  /** URL of the entry's own copy. */
  url: string;
  sizeBytes: number;
  /** Where the bucket keeps versions. */
  versionId: string | null;
}

export interface ViewOptions {
  view: 'BASIC' | 'FULL';
  states: StateVersion;
}

const timeOr = <K extends string>(key: K, ms: number | undefined) =>
  (ms === undefined ? {} : { [key]: rfc3339(ms) }) as { [P in K]?: string };

export function viewMinimal(standing: TaskStanding, states: StateVersion): TesTaskMinimal {
  return { id: publicId('task', standing), state: shownStateOf(standing, states) };
}

/** As a caller would send it: special characters in the name of a file are escaped. */
const viewOutput = (output: OutputOf<string>): OutputOf<string> =>
  output.path_prefix === undefined ? { ...output, path: escapePath(output.path) } : output;

export function viewTask(facts: TaskFacts, options: ViewOptions): TesTaskFull {
  const { detail } = facts;
  const spec = hideSecrets(facts.spec);
  const full = options.view === 'FULL';
  return {
    ...viewMinimal(detail, options.states),
    ...(detail.name !== '' && { name: detail.name }),
    ...(detail.description !== '' && { description: detail.description }),
    inputs: spec.inputs.map((input) => viewInput(input, full)),
    outputs: spec.outputs.map(viewOutput),
    resources: viewResources(spec),
    executors: spec.executors,
    ...(spec.volumes.length > 0 && { volumes: spec.volumes }),
    tags: detail.tags,
    logs: viewLogs(facts, options),
    creation_time: rfc3339(detail.createdMs),
  };
}

function viewInput({ content, ...input }: InputOf<string>, full: boolean): InputOf<string> {
  return full && content !== undefined ? { ...input, content } : input;
}

/** Only fields of TES: py-tes rejects a reply with any other. */
function viewResources({ resources }: TaskSpec): NonNullable<TesTaskFull['resources']> {
  const { cpu_cores, ram_gb, disk_gb, preemptible, zones, backend_parameters } = resources;
  return {
    cpu_cores,
    ram_gb,
    disk_gb,
    preemptible,
    ...(zones && { zones }),
    ...(backend_parameters && { backend_parameters }),
  };
}

/** The final attempt is last, as in TES; for clients that read only logs[0] it is first. */
function viewLogs(facts: TaskFacts, options: ViewOptions): TesTaskLog[] {
  const latestFirst = viewLatestFirst(facts, options);
  return profiles[facts.detail.profile].readsFirstLog ? latestFirst : latestFirst.toReversed();
}

/** A task without attempts shows the executors that will run. */
function viewLatestFirst(facts: TaskFacts, { view }: ViewOptions): TesTaskLog[] {
  const { detail, attempts } = facts;
  const logs = isHit(detail)
    ? [hitLog(facts)]
    : attempts.map((attempt, index) => attemptLog(facts, attempt, index === 0));
  if (logs.length === 0) logs.push(notStartedLog(facts));
  showWaiting(logs, facts.waiting);
  if (view === 'BASIC') return logs;
  return logs.map((log, index) => {
    const messages =
      index === 0 ? systemLogs(detail, attempts[0]) : attemptMessages(attempts[index]);
    return {
      ...log,
      logs:
        index === 0
          ? log.logs.map((one, executor) => ({ ...one, ...facts.tails[executor] }))
          : log.logs,
      ...(messages.length > 0 && { system_logs: messages }),
    };
  });
}

/** On the log of the latest attempt, or of the one to come. */
function showWaiting([latest]: TesTaskLog[], waiting: Waiting | undefined): void {
  if (latest && waiting) latest.metadata = { ...latest.metadata, ...waitingMetadata(waiting) };
}

/** In the order in which a person reads it. */
export const waitingMetadata = ({ message, ...waiting }: Waiting): Record<string, string> => ({
  waiting: message,
  waiting_for: waiting.for,
  waiting_since: rfc3339(waiting.sinceMs),
  ...(waiting.ahead !== undefined && { waiting_ahead: String(waiting.ahead) }),
  ...(waiting.task !== undefined && { waiting_task: waiting.task }),
});

const isHit = (detail: TaskDetail): boolean =>
  detail.hitEntryId !== undefined && detail.place === 'done';

const CANCELLED = 'Cancelled by its caller.';

function attemptMessages(attempt: AttemptView | undefined): string[] {
  // What Batch and the container say of its end is only that Batchwell ended it.
  if (attempt?.outcome === 'cancelled') return [CANCELLED, ...filesLeftOut(attempt)];
  const waits =
    attempt?.waitingReason !== undefined && attempt.outcome === undefined
      ? [waitingSentence(attempt.waitingReason)]
      : [];
  return [...waits, ...(attempt?.reason ? [attempt.reason] : []), ...filesLeftOut(attempt)];
}

/** Lists do not read result records from S3. */
function filesLeftOut(attempt: AttemptView | undefined): string[] {
  const { whole, outputs = [] } = attempt?.result ?? {};
  return whole && outputs.length < whole.outputs
    ? [
        `Only the first ${outputs.length} of ${whole.outputs} output files are shown here. ` +
          'Get the task by itself, while S3 answers, for all of them.',
      ]
    : [];
}

function systemLogs(detail: TaskDetail, latest: AttemptView | undefined): string[] {
  const messages = [
    ...detail.warnings,
    ...(detail.place === 'cancelled' ? [CANCELLED] : []),
    ...(detail.blocked === undefined || isEnd(detail.place) ? [] : [detail.blocked]),
    ...(detail.failure === undefined ? [] : [detail.failure]),
    ...attemptMessages(latest),
  ];
  return [...new Set(messages)];
}

/**
 * Executors that start in any case: the first, and each one after an executor whose error is
 * ignored. TES requires an exit code, so one that did not run has no log once its attempt has ended.
 */
function certainExecutors(executors: readonly ExecutorOf<string>[]): TesExecutorLog[] {
  const stop = executors.findIndex((executor) => executor.ignore_error !== true);
  return executors
    .slice(0, stop === -1 ? executors.length : stop + 1)
    .map(() => ({ exit_code: -1 }));
}

const notStartedLog = ({ spec, detail }: TaskFacts): TesTaskLog => ({
  logs: isEnded(detail) ? [] : certainExecutors(spec.executors),
  outputs: [],
  ...timeOr('end_time', detail.endedMs),
});

const executorLog = ({ exitCode, startedMs, endedMs }: ExecutorResult): TesExecutorLog => ({
  exit_code: exitCode,
  start_time: rfc3339(startedMs),
  end_time: rfc3339(endedMs),
});

function attemptLog(
  { spec, detail }: TaskFacts,
  attempt: AttemptView,
  latest: boolean,
): TesTaskLog {
  const { result } = attempt;
  const done = latest && detail.place === 'done';
  return {
    logs: executorLogs({ spec, detail }, attempt, latest),
    outputs:
      result && done
        ? result.outputs.map((file) =>
            fileLog(
              { spec, detail },
              { ...file, url: joinUrl(spec.outputs[file.output]?.url ?? '', file.path) },
            ),
          )
        : [],
    metadata: { ...attemptMetadata(attempt), ...profiles[detail.profile].metadata },
    ...timeOr('start_time', result?.startedMs ?? attempt.startedMs),
    ...timeOr('end_time', result?.endedMs ?? attempt.endedMs),
  };
}

const isEnded = ({ place }: TaskDetail): boolean => isEnd(place);

/** Exit codes by which the stager says that an executor did not run, or not to its end. */
const NO_EXECUTOR: readonly number[] = [stagerExit.input, stagerExit.fenced, stagerExit.script];

function executorLogs(
  { spec, detail }: ShownTask,
  { result, exitCode, outcome }: AttemptView,
  latest: boolean,
): TesExecutorLog[] {
  if (result) return result.executors.map(executorLog);
  const isOpen = latest && outcome === undefined && !isEnded(detail);
  if (isOpen) return certainExecutors(spec.executors);
  // Of an attempt that ended without a record only the exit code of the container is known.
  return exitCode === undefined || NO_EXECUTOR.includes(exitCode) ? [] : [{ exit_code: exitCode }];
}

/** Of all executors of the attempt; GET /v1/tasks/{id}/usage has each. */
function usedMetadata(executors: readonly ExecutorResult[] = []): Record<string, string> {
  const used = usedByAll(executors);
  const shown = Object.entries(used ? viewUsed(used) : {});
  return Object.fromEntries(shown.map(([name, value]) => [name, String(value)]));
}

function attemptMetadata(attempt: AttemptView): Record<string, string> {
  const job = attempt.submissionSize > 1 ? `${attempt.jobId}:${attempt.arrayIndex}` : attempt.jobId;
  return {
    attempt: String(attempt.number),
    submission: attempt.submissionKey,
    queue: attempt.queue,
    ...(attempt.jobId !== undefined && { batch_job_id: String(job) }),
    ...usedMetadata(attempt.result?.executors),
  };
}

/** A hit looks as if it had run: every executor succeeded, and the outputs are the task's own. */
function hitLog({ detail, spec, hitOutputs }: TaskFacts): TesTaskLog {
  const times = {
    ...timeOr('start_time', detail.createdMs),
    ...timeOr('end_time', detail.endedMs),
  };
  return {
    logs: spec.executors.map(() => ({ exit_code: 0, ...times })),
    outputs: hitOutputs.map((file) => hitFileLog({ spec, detail }, file)),
    metadata: {
      cache: 'hit',
      ...(detail.source && { cache_source: publicId('task', detail.source) }),
      ...profiles[detail.profile].metadata,
    },
    ...times,
  };
}

/** Copied outputs are at the task's own URLs, referenced outputs at the URLs of the entry. */
function hitFileLog(task: ShownTask, file: HitFile): TesOutputFileLog {
  const declared = task.spec.outputs[file.output];
  const isReferenced = task.detail.hitMode === 'reference' || !declared;
  return {
    ...fileLog(task, {
      ...file,
      url: isReferenced ? file.url : joinUrl(declared.url, file.path),
    }),
    ...(isReferenced && file.versionId !== null && { version_id: file.versionId }),
  };
}

interface PlacedFile {
  output: number;
  path: string;
  url: string;
  sizeBytes: number;
}

type ShownTask = Pick<TaskFacts, 'spec' | 'detail'>;

/** TES requires a size, but no size is better than one that the client cannot read. */
function fileLog(
  { spec, detail }: ShownTask,
  { output, path, url, sizeBytes }: PlacedFile,
): TesOutputFileLog {
  const readable =
    sizeBytes <= (profiles[detail.profile].largestSizeBytes ?? Number.POSITIVE_INFINITY);
  return {
    url,
    path: pathInContainer(spec, { output, path }),
    ...(readable && { size_bytes: String(sizeBytes) }),
  };
}
