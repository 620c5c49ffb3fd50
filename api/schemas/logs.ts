/** What a task printed, as it is asked for and as it comes. */
import { Type, type Static } from 'typebox';
import { logBeginnings, POSITION_PATTERN } from '../../core/container/live-log.ts';

export const LogQuery = Type.Object({
  stream: Type.Optional(Type.Enum(['stdout', 'stderr'] as const, { default: 'stdout' })),
  executor: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000, default: 0 })),
  tail_bytes: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 16 * 1024 ** 2,
      default: 1024 ** 2,
      description: 'At most so many bytes of what is there now',
    }),
  ),
  follow: Type.Optional(
    Type.Boolean({
      description: 'Go on with what comes, through all attempts, until the task has ended',
    }),
  ),
  from: Type.Optional(
    Type.String({
      pattern: POSITION_PATTERN,
      description:
        'With follow: go on after this `position` of an earlier reply; tail_bytes then means nothing',
    }),
  ),
});

export const LogLine = Type.Object(
  {
    attempt: Type.Integer({ description: 'Of the task, from 1; 0 while there is none' }),
    position: Type.String({ description: 'What comes after this line is what `from` gives' }),
    text: Type.Optional(Type.String({ description: 'What was printed' })),
    began: Type.Optional(
      Type.Enum(logBeginnings, {
        description:
          'What follows begins anew. attempt: the task is tried again; batch-attempt: AWS Batch started its job again; file: the task cut or replaced its own file',
      }),
    ),
    skipped_bytes: Type.Optional(
      Type.Integer({
        description: 'So many bytes were printed faster than they are kept, and are left out here',
      }),
    ),
    ended: Type.Optional(
      Type.Boolean({
        description: 'The last line: the task has ended. A reply without it broke off',
      }),
    ),
  },
  {
    description:
      'A line of a followed log, asked for by `Accept: application/x-ndjson`. Blank lines between them only say that the connection lives',
  },
);

export type LogLine = Static<typeof LogLine>;
