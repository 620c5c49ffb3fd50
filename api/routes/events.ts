/** Server-sent events: the changes of tasks. */
import { Readable } from 'node:stream';
import { Type, type Static, type TSchema } from 'typebox';
import { problemAt, type Problem } from '../../core/problems.ts';
import { readChangesKept, type ChangesKept } from '../../db/changes.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import { isEndOfStream, streamEvents, type Listener } from '../events/stream.ts';
import type { Subject } from '../events/subject.ts';
import type { Api } from '../dependencies.ts';
import { TaskEvent } from '../schemas/events.ts';
import { failures } from '../schemas/replies.ts';
import { ScatterReply } from '../schemas/scatters.ts';
import type { ApiContext } from '../context.ts';
import { tagsOf, TagQuery } from '../tasks/list.ts';
import { findScatter } from './scatters.ts';

const EventQuery = Type.Object({
  task: Type.Optional(
    Type.String({
      description: 'Id of a task: only its changes. The stream ends when the task has ended',
    }),
  ),
  scatter: Type.Optional(
    Type.String({
      description: 'Id of a scatter: only its tasks. The stream ends when the scatter has ended',
    }),
  ),
  ...TagQuery,
});

const eventOf = <const Name extends string, Data extends TSchema>(event: Name, data: Data) =>
  Type.Object({ event: Type.Enum([event] as const), data });

/** The events in the stream. OpenAPI 3.0 cannot describe a stream of events. */
const Events = Type.Union(
  [
    eventOf('task', TaskEvent),
    eventOf('scatter', ScatterReply),
    eventOf('missed', Type.Object({ message: Type.String() })),
  ],
  {
    description:
      'task: the current state of a task. ' +
      'scatter: its counts, at the start and some seconds after a change. ' +
      'missed: some changes since Last-Event-ID are no longer kept',
  },
);

const RETRY_AFTER_S = 5;
const EVENT_STREAM = 'text/event-stream';

const eventSchema = {
  tags: ['Events'],
  summary: 'Follow the changes of a task, a scatter, tasks with given tags, or all your tasks',
  querystring: EventQuery,
  headers: Type.Object({
    'last-event-id': Type.Optional(
      Type.String({
        maxLength: 40,
        description: 'Id of the last event received; the stream resumes after it',
      }),
    ),
  }),
  response: {
    200: {
      description: 'A stream of events, for an EventSource or the client',
      content: { [EVENT_STREAM]: { schema: Type.Unsafe<Readable>(Events) } },
    },
    204: Type.Null({ description: 'Last-Event-ID belongs to a stream that has ended' }),
    ...failures,
  },
};

export function eventRoutes(api: Api, context: ApiContext): void {
  api.get('/events', { schema: eventSchema }, async (request, reply) => {
    const { owner } = request.caller.access;
    const last = readLastEventId(request.headers['last-event-id']);
    const subject = await readSubject(context, owner, request.query);
    if ('problem' in last) return reply.code(400).send(refusal([last.problem]));
    if ('problem' in subject) return reply.code(400).send(refusal([subject.problem]));
    if ('unknown' in subject) return reply.code(404).send(notFound(subject.unknown, subject.id));
    if (last.endedStream) return reply.code(204).send(null);
    const start = startAt(await readChangesKept(context.database.pool), last);
    const signal = context.eventStreams.begin(request, reply);
    if (!signal)
      return reply
        .code(503)
        .header('retry-after', RETRY_AFTER_S)
        .send(failure(503, tooManyStreams(context.eventStreams.most)));
    const events = streamEvents(context, { owner, subject, ...start }, signal);
    return reply
      .type(EVENT_STREAM)
      .headers(STREAM_HEADERS)
      .send(Readable.from(events, { objectMode: false }));
  });
}

/**
 * A server that closes waits for keep-alive connections, hence `connection`. nginx buffers events
 * until it has 4 kB, hence `x-accel-buffering`.
 */
const STREAM_HEADERS = {
  'cache-control': 'no-store',
  connection: 'close',
  'x-accel-buffering': 'no',
};

const tooManyStreams = (most: number): string =>
  `This process already has ${most} event streams open, which is its limit. ` +
  `Try again in ${RETRY_AFTER_S} s, ` +
  'or follow several tasks with one stream (scatter, tag_key).';

interface LastEvent {
  id?: number;
  /** The stream had reported everything. */
  endedStream?: boolean;
}

function readLastEventId(given: string | undefined): LastEvent | { problem: Problem } {
  if (given === undefined || given === '') return {};
  const endedStream = isEndOfStream(given);
  const id = /^(\d{1,15})(-end)?$/.exec(given)?.[1];
  return id === undefined
    ? {
        problem: problemAt(
          'Last-Event-ID',
          'the id of an event of this stream, such as 1234',
          given,
        ),
      }
    : { id: Number(id), endedStream };
}

/** An id that this database never issued comes from another one. */
function startAt(kept: ChangesKept, last: LastEvent): Pick<Listener, 'from' | 'missed'> {
  if (last.id === undefined) return { from: kept.start, missed: false };
  const known = last.id >= kept.from && last.id <= kept.newest;
  return known ? { from: last.id, missed: false } : { from: kept.start, missed: true };
}

type ReadSubject = Subject | { problem: Problem } | { unknown: 'task' | 'scatter'; id: string };

async function readSubject(
  context: ApiContext,
  owner: string,
  query: Static<typeof EventQuery>,
): Promise<ReadSubject> {
  const { task, scatter } = query;
  const tags = tagsOf(query);
  if ([task !== undefined, scatter !== undefined, tags.length > 0].filter(Boolean).length > 1)
    return {
      problem: problemAt(
        '',
        'at most one of task, scatter and tag_key',
        Object.keys(query).join(', '),
      ),
    };
  if (task !== undefined) {
    const found = await context.reader.find(owner, task);
    return found ? { of: 'task', id: found.id } : { unknown: 'task', id: task };
  }
  if (scatter !== undefined) {
    const found = await findScatter(context, owner, scatter);
    return found ? { of: 'scatter', scatter: found } : { unknown: 'scatter', id: scatter };
  }
  return { of: 'tags', tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])) };
}
