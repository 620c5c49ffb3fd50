/**
 * Scatters, as /openapi.json shows them. Requests are read by core/scatter/scatter.ts and
 * core/task/parse-task.ts.
 */
import { Type, type Static } from 'typebox';
import { LARGEST_SCATTER } from '../../core/scatter/scatter.ts';
import { places } from '../../core/places.ts';
import { cacheModes, mergeModes } from '../../core/task/task.ts';
import { shownStates } from '../../core/task/tes-state.ts';
import { waitingKinds } from '../../core/waiting/waiting.ts';
import { TesTaskRequest } from './tes.ts';

const texts = Type.Record(Type.String(), Type.String());

export const ScatterRequest = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 255 })),
    tags: Type.Optional(texts),
    cache: Type.Optional(Type.Enum(cacheModes)),
    merge: Type.Optional(Type.Enum(mergeModes)),
    template: Type.Object(TesTaskRequest.properties, {
      description: 'A TES task. {{column}} in any of its strings is replaced by the row’s value',
    }),
    rows: Type.Array(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
      {
        minItems: 1,
        maxItems: LARGEST_SCATTER,
        description: 'One object per task, with a value for each column',
      },
    ),
  },
  {
    description:
      'As application/x-ndjson: one TES task per line, with name, cache and tags in the query',
  },
);

export const ScatterQuery = Type.Object({
  ids: Type.Optional(Type.Boolean({ description: 'Return the ids of all tasks' })),
  name: Type.Optional(Type.String({ description: 'Name of the scatter, for NDJSON' })),
  cache: Type.Optional(Type.String({ description: 'Cache mode of the tasks, for NDJSON' })),
  merge: Type.Optional(
    Type.String({
      description: 'on or off: whether a task waits for an equal one in flight, for NDJSON',
    }),
  ),
  tag: Type.Optional(
    Type.Union([Type.Array(Type.String(), { maxItems: 100 }), Type.String()], {
      description: 'Tag of the scatter as key:value, for NDJSON; may be repeated',
    }),
  ),
});

export const ScatterAccepted = Type.Object({
  id: Type.String(),
  tasks: Type.Integer({ description: 'Number of tasks' }),
  equal_rows: Type.Integer({
    description:
      'Number of rows that do the same as an earlier row of the scatter. Each is run on its own',
  }),
  task_ids: Type.Optional(
    Type.Array(Type.String(), { description: 'Ids in the order of the rows, with ids=true' }),
  ),
});

const head = {
  id: Type.String(),
  name: Type.String(),
  size: Type.Integer({ description: 'Number of tasks' }),
  tags: texts,
  created: Type.String({ description: 'RFC 3339' }),
};

const counts = <const N extends readonly string[]>(names: N) =>
  Type.Object(
    Object.fromEntries(names.map((name) => [name, Type.Integer()])) as Record<
      N[number],
      ReturnType<typeof Type.Integer>
    >,
  );

export const ScatterReply = Type.Object({
  ...head,
  places: counts(places),
  states: counts(shownStates),
  waiting: Type.Partial(counts(waitingKinds), {
    description: 'How many tasks that do not run wait for what; kinds without a task are left out',
  }),
  cache_hits: Type.Integer({ description: 'Number of tasks that were cache hits' }),
  ended: Type.Boolean({ description: 'Whether all tasks have ended' }),
});

export const ScatterHead = Type.Object(head);
export const ScatterList = Type.Object({
  scatters: Type.Array(ScatterHead),
  next_page_token: Type.Optional(Type.String()),
});
export const ScatterCancelled = Type.Object({
  cancelled: Type.Integer({ description: 'Number of tasks that had not ended' }),
});

export type ScatterReply = Static<typeof ScatterReply>;
