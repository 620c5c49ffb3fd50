/** Server-sent events: tasks as they change. */
import { Readable } from 'node:stream';
import { Type, type Static, type TSchema } from 'typebox';
import { problemAt, type Problem } from '../../core/problems.ts';
import { readChangesKept, type ChangesKept } from '../../db/changes.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import { hasHeardAll, tellEvents, type Listener } from '../events/stream.ts';
import type { Subject } from '../events/subject.ts';
import type { Api } from '../dependencies.ts';
import { TaskEvent } from '../schemas/events.ts';
import { failures } from '../schemas/replies.ts';
import { ScatterReply } from '../schemas/scatters.ts';
import type { ApiContext } from '../context.ts';
import { tagsOf, TagQuery } from '../tasks/list.ts';
import { findScatter } from './scatters.ts';

const EventQuery = Type.Object({
  task: Type.Optional(Type.String({ description: 'Only this task; the stream ends with it' })),
  scatter: Type.Optional(
    Type.String({ description: 'Only the tasks of this scatter; the stream ends with it' }),
  ),
  ...TagQuery,
});

const told = <const Name extends string, Data extends TSchema>(event: Name, data: Data) =>
  Type.Object({ event: Type.Enum([event] as const), data });

/** What is in the stream; OpenAPI 3.0 has no words for it. */
const Events = Type.Union(
  [
    told('task', TaskEvent),
    told('scatter', ScatterReply),
    told('missed', Type.Object({ message: Type.String() })),
  ],
  {
    description:
      'task: where a task stands. scatter: its counts, at the start and some seconds after changes. missed: the listener was away for so long that changes were forgotten',
  },
);

const AGAIN_S = 5;
const EVENT_STREAM = 'text/event-stream';

export function eventRoutes(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Events'],
    summary: 'Follow tasks as they change: one, a scatter, those with tags, or all',
    querystring: EventQuery,
    headers: Type.Object({
      'last-event-id': Type.Optional(
        Type.String({
          maxLength: 40,
          description:
            'The id of the last event that was heard; what came since then is told first',
        }),
      ),
    }),
    response: {
      200: {
        description: 'A stream; a browser’s EventSource reads it',
        content: { [EVENT_STREAM]: { schema: Type.Unsafe<Readable>(Events) } },
      },
      204: Type.Null({ description: 'Last-Event-ID is of a stream that has told everything' }),
      ...failures,
    },
  };
  api.get('/events', { schema }, async (request, reply) => {
    const last = readLastEventId(request.headers['last-event-id']);
    const subject = await readSubject(context, request.caller.access.owner, request.query);
    if ('problem' in last) return reply.code(400).send(refusal([last.problem]));
    if ('problem' in subject) return reply.code(400).send(refusal([subject.problem]));
    if ('unknown' in subject) return reply.code(404).send(notFound(subject.unknown, subject.id));
    if (last.heardAll) return reply.code(204).send(null);
    const place = startAt(await readChangesKept(context.database.pool), last);
    const signal = context.eventStreams.begin(request, reply);
    if (!signal)
      return reply
        .code(503)
        .header('retry-after', AGAIN_S)
        .send(
          failure(
            503,
            `${context.eventStreams.most} event streams are open on this process, which is all it keeps. Try again in ${AGAIN_S} s, or follow several tasks with one stream (scatter, tag_key).`,
          ),
        );
    const body = Readable.from(
      tellEvents(context, { owner: request.caller.access.owner, subject, ...place }, signal),
      { objectMode: false },
    );
    // A server that closes waits for connections that could be used again; and nginx keeps events back until 4 kB of them are there.
    return reply
      .type(EVENT_STREAM)
      .headers({ 'cache-control': 'no-store', connection: 'close', 'x-accel-buffering': 'no' })
      .send(body);
  });
}

interface LastHeard {
  id?: number;
  heardAll?: boolean;
}

function readLastEventId(given: string | undefined): LastHeard | { problem: Problem } {
  if (given === undefined || given === '') return {};
  const heardAll = hasHeardAll(given);
  const id = /^(\d{1,15})(-end)?$/.exec(given)?.[1];
  return id === undefined
    ? { problem: problemAt('Last-Event-ID', 'the id of an event of this stream, as 1234', given) }
    : { id: Number(id), heardAll };
}

/** One that heard of changes which this database never had belongs to another. */
function startAt(kept: ChangesKept, last: LastHeard): Pick<Listener, 'from' | 'missed'> {
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
