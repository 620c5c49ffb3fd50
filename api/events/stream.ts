/** One listener's stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import { setTimeout as sleep } from 'node:timers/promises';
import { isEnd } from '../../core/places.ts';
import { viewScatter, type ScatterView } from '../../core/scatter/scatter-view.ts';
import { viewTaskEvent, type ToldTask } from '../../core/notify/task-event.ts';
import { countScatter } from '../../db/scatter-views.ts';
import { readToldTasks } from '../../db/task-views.ts';
import type { ApiContext } from '../context.ts';
import type { ChangeBatch } from './feed.ts';
import { aboutOf, type Subject } from './subject.ts';

export interface Listener {
  owner: string;
  subject: Subject;
  /** Where in the log of changes it has come to. */
  from: number;
  /** It was away for so long that changes were forgotten which it has not heard of. */
  missed: boolean;
}

/** Load balancers cut what is silent for 60 s. */
const HEARTBEAT_MS = 15_000;
/** Counting a scatter of 10,000 reads its rows. */
const COUNTS_MS = 2000;
const AGAIN_MS = 1000;

/** Stands behind the id of the last event of a stream that has nothing more to tell, ever. */
const END_MARK = '-end';
export const hasHeardAll = (lastEventId: string): boolean => lastEventId.endsWith(END_MARK);

const event = (name: string, data: unknown): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
/** An id by itself is no event: it only moves the place from which the listener would go on. */
const place = (id: number, mark = ''): string => `id: ${id}${mark}\n\n`;

type Services = Pick<ApiContext, 'database' | 'feed' | 'log' | 'nowMs'>;

/**
 * What there is to tell, until the task or scatter has ended or the signal is aborted. A place in the log is given
 * only after all of its tasks were told, so that one who comes back hears the rest.
 */
export async function* tellEvents(
  context: Services,
  listener: Listener,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { nowMs } = context;
  const telling = createTelling(context, listener);
  let at = listener.from;
  let silentSinceMs = nowMs();
  if (listener.missed)
    yield event('missed', {
      message:
        'Changes that came while you were away are no longer kept; GET /v1/tasks tells where tasks stand now.',
    });
  yield [...(await telling.begin()), place(at)].join('');
  while (!telling.isOver() && !signal.aborted) {
    const { upTo, told } = await hearMore(context, telling, at);
    at = upTo;
    if (told.length > 0 || nowMs() - silentSinceMs >= HEARTBEAT_MS) {
      yield* inChunks([...told, place(at)]);
      silentSinceMs = nowMs();
    }
  }
  if (telling.isOver()) yield place(at, END_MARK);
}

/** Each chunk is a write of its own; all of a batch at once would be held for every slow listener. */
const EVENTS_PER_CHUNK = 64;

function* inChunks(texts: readonly string[]): Generator<string> {
  for (let start = 0; start < texts.length; start += EVENTS_PER_CHUNK)
    yield texts.slice(start, start + EVENTS_PER_CHUNK).join('');
}

/** All of a batch or, while the database is away, nothing. */
async function hearMore(
  { feed, log }: Services,
  telling: Telling,
  at: number,
): Promise<{ upTo: number; told: string[] }> {
  try {
    const batch = await feed.next(at, telling.patienceMs(HEARTBEAT_MS));
    return { upTo: batch.upTo, told: await telling.about(batch) };
  } catch (error) {
    log.debug({ event: 'events-wait', error: String(error) }, 'events-wait');
    await sleep(AGAIN_MS, undefined, { signal: feed.closing }).catch(() => undefined);
    return { upTo: at, told: [] };
  }
}

/** What a listener is told. */
interface Telling {
  begin(): Promise<string[]>;
  about(batch: ChangeBatch): Promise<string[]>;
  /** How long there is nothing of its own to tell. */
  patienceMs(most: number): number;
  /** Nothing will ever come any more. */
  isOver(): boolean;
}

function createTelling(context: Services, { owner, subject }: Listener): Telling {
  const isAbout = aboutOf(subject);
  const wanted = ({ tasks }: ChangeBatch): ToldTask[] =>
    tasks.filter((task) => task.owner === owner && isAbout(task));
  if (subject.of === 'task') return createTaskTelling(context, subject.id, wanted);
  if (subject.of === 'scatter') return createScatterTelling(context, subject.scatter, wanted);
  return {
    begin: async () => [],
    about: async (batch) => tasksOf(wanted(batch)),
    patienceMs: (most) => most,
    isOver: () => false,
  };
}

type Wanted = (batch: ChangeBatch) => ToldTask[];

/** Written once for all who hear it. */
const textOfTask = new WeakMap<ToldTask, string>();

const tasksOf = (tasks: readonly ToldTask[]): string[] =>
  tasks.map((task) => {
    const text = textOfTask.get(task) ?? event('task', viewTaskEvent(task));
    textOfTask.set(task, text);
    return text;
  });

function createTaskTelling({ database }: Services, id: number, wanted: Wanted): Telling {
  let isOver = false;
  const tell = (tasks: readonly ToldTask[]): string[] => {
    isOver ||= tasks.some((task) => isEnd(task.place));
    return tasksOf(tasks);
  };
  return {
    begin: async () => tell(await readToldTasks(database.pool, [id])),
    about: async (batch) => tell(wanted(batch)),
    patienceMs: (most) => most,
    isOver: () => isOver,
  };
}

/** Its tasks, and its counts some time after something changed in them. It is over when all has ended, and all of that was told. */
function createScatterTelling(
  { database, nowMs }: Services,
  scatter: ScatterView,
  wanted: Wanted,
): Telling {
  let changed = false;
  let countedMs = 0;
  let ended = false;
  let isOver = false;
  const count = async (): Promise<string> => {
    const counts = viewScatter(scatter, await countScatter(database.pool, scatter.id));
    [changed, countedMs, ended] = [false, nowMs(), counts.ended];
    return event('scatter', counts);
  };
  return {
    begin: async () => [await count()],
    async about(batch) {
      const told = tasksOf(wanted(batch));
      isOver = ended && told.length === 0 && !batch.more;
      changed ||= told.length > 0;
      if (changed && nowMs() - countedMs >= COUNTS_MS) told.push(await count());
      return told;
    },
    patienceMs: (most) => (ended ? 0 : changed ? COUNTS_MS : most),
    isOver: () => isOver,
  };
}
