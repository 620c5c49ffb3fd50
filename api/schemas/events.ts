/** Events, as /openapi.json shows them. */
import { Type, type Static } from 'typebox';
import { failureKinds } from '../../core/retry/failures.ts';
import { TesState } from './tes.ts';

export const TaskEvent = Type.Object(
  {
    task: Type.String({ description: 'Id of the task' }),
    state: TesState,
    since: Type.String({ description: 'When the task entered this state, RFC 3339' }),
    name: Type.String(),
    tags: Type.Record(Type.String(), Type.String()),
    scatter: Type.Optional(Type.String({ description: 'Id of its scatter' })),
    row: Type.Optional(Type.Integer({ description: 'Its row in the scatter, from 0' })),
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
      'The current state of a task. The same state may be reported more than once, ' +
      'and a brief state may not be reported at all',
  },
);
export type TaskEvent = Static<typeof TaskEvent>;
