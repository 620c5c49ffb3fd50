/** Events, as /openapi.json shows them. */
import { Type, type Static } from 'typebox';
import { failureKinds } from '../../core/retry/failures.ts';
import { waitingKinds } from '../../core/waiting/waiting.ts';
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
    waiting: Type.Optional(
      Type.Object(
        {
          for: Type.Enum(waitingKinds),
          since: Type.String({ description: 'RFC 3339' }),
          message: Type.String({ description: 'For people' }),
          task: Type.Optional(Type.String({ description: 'The equal task of the same owner' })),
        },
        { description: 'Why it does not run; absent while it runs, and once it has ended' },
      ),
    ),
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
