/**
 * The stream of server-sent events to one listener
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html). This folder: how the API reads
 * the change log and reports it to listeners.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isEnd } from '../../core/places.ts';
import { viewScatter, type ScatterView } from '../../core/scatter/scatter-view.ts';
import { viewTaskEvent, type ReportedTask } from '../../core/notify/task-event.ts';
import { countScatter } from '../../db/scatter-views.ts';
import { readReportedTasks } from '../../db/reported-tasks.ts';
import type { ApiContext } from '../context.ts';
import type { ChangeBatch } from './feed.ts';
import { matcherOf, type Subject } from './subject.ts';

export interface Listener {
  owner: string;
  subject: Subject;
  /** The place in the change log after which it reads. */
  from: number;
  /** It was disconnected so long that some changes it has not received are no longer kept. */
  missed: boolean;
}

/** Load balancers close connections that are silent for 60 s. */
const HEARTBEAT_MS = 15_000;
/** Counting a scatter of 10,000 tasks reads all its rows. */
const COUNT_INTERVAL_MS = 2000;
const RETRY_MS = 1000;

/** Suffix of the last id of a stream that is complete. */
const END_MARK = '-end';
export const isEndOfStream = (lastEventId: string): boolean => lastEventId.endsWith(END_MARK);

const event = (name: string, data: unknown): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
/** An id alone is not an event: it only sets the place from which the listener resumes. */
const place = (id: number, mark = ''): string => `id: ${id}${mark}\n\n`;

type StreamContext = Pick<ApiContext, 'database' | 'feed' | 'log' | 'nowMs' | 'waiting'>;

/**
 * Reports until the task or scatter has ended, or the signal is aborted. A place in the log is sent
 * only after all tasks up to it, so that a listener that reconnects receives the rest.
 */
export async function* streamEvents(
  context: StreamContext,
  listener: Listener,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { nowMs } = context;
  const reporter = createReporter(context, listener);
  let at = listener.from;
  let silentSinceMs = nowMs();
  if (listener.missed)
    yield event('missed', {
      message:
        'Some changes since your last event are no longer kept. GET /v1/tasks shows the current states.',
    });
  yield [...(await reporter.begin()), place(at)].join('');
  while (!reporter.isComplete() && !signal.aborted) {
    const { upTo, events } = await readMore(context, reporter, at);
    at = upTo;
    if (events.length > 0 || nowMs() - silentSinceMs >= HEARTBEAT_MS) {
      yield* inChunks([...events, place(at)]);
      silentSinceMs = nowMs();
    }
  }
  if (reporter.isComplete()) yield place(at, END_MARK);
}

/**
 * Each chunk is a separate write. A whole batch at once would stay in memory for every slow
 * listener.
 */
const EVENTS_PER_CHUNK = 64;

function* inChunks(texts: readonly string[]): Generator<string> {
  for (let start = 0; start < texts.length; start += EVENTS_PER_CHUNK)
    yield texts.slice(start, start + EVENTS_PER_CHUNK).join('');
}

/** A whole batch. While the database is unavailable: nothing. */
async function readMore(
  { feed, log }: StreamContext,
  reporter: Reporter,
  at: number,
): Promise<{ upTo: number; events: string[] }> {
  try {
    const batch = await feed.next(at, reporter.patienceMs(HEARTBEAT_MS));
    return { upTo: batch.upTo, events: await reporter.report(batch) };
  } catch (error) {
    log.debug({ event: 'events-wait', error: String(error) }, 'events-wait');
    await sleep(RETRY_MS, undefined, { signal: feed.closing }).catch(() => undefined);
    return { upTo: at, events: [] };
  }
}

/** Turns changes into the events of one subject. */
interface Reporter {
  begin(): Promise<string[]>;
  report(batch: ChangeBatch): Promise<string[]>;
  /** How long it can wait for a change before it has a count of its own to report. */
  patienceMs(most: number): number;
  /** There will be no more events. */
  isComplete(): boolean;
}

function createReporter(context: StreamContext, { owner, subject }: Listener): Reporter {
  const matches = matcherOf(subject);
  const wanted = ({ tasks }: ChangeBatch): ReportedTask[] =>
    tasks.filter((task) => task.owner === owner && matches(task));
  if (subject.of === 'task') return createTaskReporter(context, subject.id, wanted);
  if (subject.of === 'scatter') return createScatterReporter(context, subject.scatter, wanted);
  return {
    begin: async () => [],
    report: async (batch) => tasksOf(context, wanted(batch)),
    patienceMs: (most) => most,
    isComplete: () => false,
  };
}

type Wanted = (batch: ChangeBatch) => ReportedTask[];

/** Serialized once for all listeners. */
const textOfTask = new WeakMap<ReportedTask, string>();

const tasksOf = ({ waiting }: StreamContext, tasks: readonly ReportedTask[]): string[] =>
  tasks.map((task) => {
    const waits = task.waits && waiting.decide(task.waits);
    const text = textOfTask.get(task) ?? event('task', viewTaskEvent(task, waits));
    textOfTask.set(task, text);
    return text;
  });

function createTaskReporter(context: StreamContext, id: number, wanted: Wanted): Reporter {
  const { database } = context;
  let isComplete = false;
  const report = (tasks: readonly ReportedTask[]): string[] => {
    isComplete ||= tasks.some((task) => isEnd(task.place));
    return tasksOf(context, tasks);
  };
  return {
    begin: async () => report(await readReportedTasks(database.pool, [id])),
    report: async (batch) => report(wanted(batch)),
    patienceMs: (most) => most,
    isComplete: () => isComplete,
  };
}

/**
 * Reports the scatter's tasks, and its counts some time after a change. Complete when all tasks
 * have ended and were reported.
 */
function createScatterReporter(
  context: StreamContext,
  scatter: ScatterView,
  wanted: Wanted,
): Reporter {
  const { database, nowMs } = context;
  let changed = false;
  let countedMs = 0;
  let ended = false;
  let isComplete = false;
  const count = async (): Promise<string> => {
    const counts = viewScatter(scatter, await countScatter(database.pool, scatter.id));
    [changed, countedMs, ended] = [false, nowMs(), counts.ended];
    return event('scatter', counts);
  };
  return {
    begin: async () => [await count()],
    async report(batch) {
      const events = tasksOf(context, wanted(batch));
      isComplete = ended && events.length === 0 && !batch.more;
      changed ||= events.length > 0;
      if (changed && nowMs() - countedMs >= COUNT_INTERVAL_MS) events.push(await count());
      return events;
    },
    patienceMs: (most) => (ended ? 0 : changed ? COUNT_INTERVAL_MS : most),
    isComplete: () => isComplete,
  };
}
