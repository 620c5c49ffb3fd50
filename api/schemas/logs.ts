/** Logs: the query, and the lines of a followed log. */
import { Type, type Static } from 'typebox';
import { logBeginnings, POSITION_PATTERN } from '../../core/container/live-log.ts';

export const LogQuery = Type.Object({
  stream: Type.Optional(Type.Enum(['stdout', 'stderr'] as const, { default: 'stdout' })),
  executor: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 1000, default: 0, description: 'Executor, from 0' }),
  ),
  tail_bytes: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 16 * 1024 ** 2,
      default: 1024 ** 2,
      description: 'Largest number of bytes to return from the end of the current log',
    }),
  ),
  follow: Type.Optional(
    Type.Boolean({
      description: 'Continue with new output, through all attempts, until the task has ended',
    }),
  ),
  from: Type.Optional(
    Type.String({
      pattern: POSITION_PATTERN,
      description:
        'With follow: resume after this `position` of an earlier reply; tail_bytes is then ignored',
    }),
  ),
});

export const LogLine = Type.Object(
  {
    attempt: Type.Integer({ description: 'Number of the attempt, from 1; 0 before the first' }),
    position: Type.String({ description: 'Value of `from` that resumes after this line' }),
    text: Type.Optional(Type.String({ description: 'Output of the task' })),
    began: Type.Optional(
      Type.Enum(logBeginnings, {
        description:
          'The output that follows starts from the beginning. attempt: the task is retried; ' +
          'batch-attempt: AWS Batch restarted the job; ' +
          'file: the task truncated or replaced its own file',
      }),
    ),
    skipped_bytes: Type.Optional(
      Type.Integer({
        description:
          'Number of bytes left out here, because they were printed faster than they are kept',
      }),
    ),
    ended: Type.Optional(
      Type.Boolean({
        description: 'The last line: the task has ended. A reply without this line is incomplete',
      }),
    ),
  },
  {
    description:
      'A line of a followed log, for requests with `Accept: application/x-ndjson`. ' +
      'Blank lines in between only keep the connection alive',
  },
);

export type LogLine = Static<typeof LogLine>;
