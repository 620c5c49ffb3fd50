/** Scatters, as /openapi.json shows them. Requests are read by core/scatter/scatter.ts and core/task/parse-task.ts. */
import { Type, type Static } from 'typebox';
import { places } from '../../core/places.ts';
import { cacheModes } from '../../core/task/task.ts';
import { shownStates } from '../../core/task/tes-state.ts';
import { TesTaskRequest } from './tes.ts';

const texts = Type.Record(Type.String(), Type.String());

export const ScatterRequest = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 255 })),
    tags: Type.Optional(texts),
    cache: Type.Optional(Type.Enum(cacheModes)),
    template: Type.Object(TesTaskRequest.properties, {
      description: 'A TES task; {{column}} in any of its texts becomes the row’s value',
    }),
    rows: Type.Array(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
      { description: 'One object of column: value per task, at most 10,000' },
    ),
  },
  {
    description:
      'Or, as application/x-ndjson, one TES task a line; name, cache and tags then come in the query',
  },
);

export const ScatterQuery = Type.Object({
  ids: Type.Optional(Type.Boolean({ description: 'Answer with the ids of all tasks' })),
  name: Type.Optional(Type.String({ description: 'For NDJSON' })),
  cache: Type.Optional(Type.String({ description: 'For NDJSON' })),
  tag: Type.Optional(
    Type.Union([Type.Array(Type.String(), { maxItems: 100 }), Type.String()], {
      description: 'For NDJSON: key:value, may be repeated',
    }),
  ),
});

export const ScatterAccepted = Type.Object({
  id: Type.String(),
  tasks: Type.Integer(),
  task_ids: Type.Optional(Type.Array(Type.String())),
});

const head = {
  id: Type.String(),
  name: Type.String(),
  size: Type.Integer(),
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
  cache_hits: Type.Integer(),
  ended: Type.Boolean({ description: 'No task of it will change any more' }),
});

export const ScatterHead = Type.Object(head);
export const ScatterList = Type.Object({
  scatters: Type.Array(ScatterHead),
  next_page_token: Type.Optional(Type.String()),
});
export const ScatterCancelled = Type.Object({
  cancelled: Type.Integer({ description: 'Tasks that had not ended yet' }),
});

export type ScatterReply = Static<typeof ScatterReply>;
