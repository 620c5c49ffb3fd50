/** What events tell, as /openapi.json shows it. */
import { Type, type Static } from 'typebox';
import { failureKinds } from '../../core/retry/failures.ts';
import { TesState } from './tes.ts';

export const TaskEvent = Type.Object(
  {
    task: Type.String({ description: 'Its id' }),
    state: TesState,
    since: Type.String({ description: 'RFC 3339: since when it is in this state' }),
    name: Type.String(),
    tags: Type.Record(Type.String(), Type.String()),
    scatter: Type.Optional(Type.String({ description: 'The id of its scatter' })),
    row: Type.Optional(Type.Integer({ description: 'Its position there, from 0' })),
    attempt: Type.Integer({
      description: 'Number of its latest attempt, from 1; 0 before the first',
    }),
    cache_hit: Type.Boolean(),
    failure: Type.Optional(
      Type.Object({ code: Type.Enum(Object.keys(failureKinds)), message: Type.String() }),
    ),
  },
  {
    description:
      'Where a task stands now. The same may be told more than once, and a state that lasted for moments not at all',
  },
);
export type TaskEvent = Static<typeof TaskEvent>;
