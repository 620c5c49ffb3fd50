/** Tasks as rows of a table, their failures, and retries, as /openapi.json shows them. */
import { Type, type Static } from 'typebox';
import { places } from '../../core/places.ts';
import { failureKinds, type FailureKind } from '../../core/retry/failures.ts';
import { PageQuery } from './replies.ts';
import { TesState } from './tes.ts';
import { TagQuery } from '../tasks/list.ts';

const time = Type.String({ description: 'RFC 3339' });
const codes = Object.keys(failureKinds) as FailureKind[];
const scatter = Type.Optional(Type.String({ description: 'Id of a scatter: only its tasks' }));

export const TaskSummary = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    state: TesState,
    place: Type.Enum(places),
    since: Type.String({ description: 'When it came to its place, RFC 3339' }),
    created: time,
    ended: Type.Optional(time),
    scatter: Type.Optional(Type.String({ description: 'Id of its scatter' })),
    row: Type.Optional(Type.Integer({ description: 'Its row in the scatter, from 0' })),
    attempt: Type.Integer({ description: 'Number of its latest attempt, from 1; 0 before it' }),
    cache_hit: Type.Boolean(),
    failure: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
    waiting: Type.Optional(Type.String({ description: 'Why it does not run, in a sentence' })),
  },
  { description: 'A task as a row of a table' },
);
export type TaskSummary = Static<typeof TaskSummary>;

export const SummaryQuery = Type.Object({
  scatter,
  name_prefix: Type.Optional(Type.String({ maxLength: 255 })),
  state: Type.Optional(TesState),
  failure: Type.Optional(
    Type.Enum(codes, { description: 'Code of a failure: only tasks that failed with it' }),
  ),
  ...TagQuery,
  page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
  page_token: PageQuery.page_token,
});
export const SummaryList = Type.Object({
  tasks: Type.Array(TaskSummary),
  next_page_token: Type.Optional(Type.String()),
});
export const OldestQuery = Type.Object({
  scatter,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 10 })),
});

export const FailureQuery = Type.Object({
  scatter,
  hours: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 720,
      default: 24,
      description: 'Without a scatter: only tasks that ended in the last so many hours',
    }),
  ),
});
export const FailureList = Type.Object({
  failed: Type.Integer({ description: 'Number of failed tasks that were read' }),
  more: Type.Boolean({ description: 'Whether there are older ones that were not read' }),
  groups: Type.Array(
    Type.Object({
      key: Type.String({ description: 'Names the group in a retry' }),
      code: Type.String(),
      message: Type.String({ description: 'Of the latest task; the others differ in names only' }),
      tasks: Type.Integer(),
      first: time,
      last: time,
      examples: Type.Array(Type.String(), { description: 'Ids of up to 5 tasks, latest first' }),
    }),
    { description: 'The largest first' },
  ),
});
export type FailureList = Static<typeof FailureList>;

export const RetryRequest = Type.Object({
  groups: Type.Optional(
    Type.Array(Type.String({ maxLength: 40 }), {
      maxItems: 1000,
      description: 'Keys of groups of failures; default: all failed tasks of the scatter',
    }),
  ),
});
export const RetryScatterReply = Type.Object({
  id: Type.String({ description: 'Id of the new scatter' }),
  tasks: Type.Integer({ description: 'Number of its tasks' }),
});

export const ScatterSteps = Type.Object({
  steps: Type.Array(
    Type.Object({
      step: Type.String(),
      tasks: Type.Integer({ description: 'How many tasks have passed it' }),
      mean_ms: Type.Number(),
      longest_ms: Type.Number(),
    }),
    { description: 'In the order in which a task passes them; of the latest attempts' },
  ),
});
