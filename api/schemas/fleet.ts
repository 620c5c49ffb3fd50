/** The fleet and what operators do with it, as /openapi.json shows them. */
import { Type, type Static } from 'typebox';
import { scopes } from '../../core/access/access.ts';
import { stages } from '../../core/places.ts';

const time = Type.String({ description: 'RFC 3339' });
const stage = Type.Enum(stages);

export const Session = Type.Object(
  {
    owner: Type.String({ description: 'Whose tasks this caller can see' }),
    scopes: Type.Array(Type.Enum(scopes)),
    tokens_required: Type.Boolean(),
    version: Type.String({ description: 'Version of Batchwell' }),
  },
  { description: 'The caller, as its token identifies it' },
);
export type Session = Static<typeof Session>;

export const StageStatus = Type.Object({
  stage,
  tasks: Type.Integer({ description: 'Unfinished tasks here; at poll, those that do not run yet' }),
  oldest_seconds: Type.Number({ description: 'How long the oldest task has been here' }),
  messages: Type.Integer({ description: 'Messages that no worker has taken yet' }),
  message_seconds: Type.Number({ description: 'How long the first of them has waited' }),
  laid_aside: Type.Integer({ description: 'Messages that failed too many times' }),
  paused: Type.Boolean(),
  workers: Type.Integer({ description: 'Workers that take messages of this stage' }),
  active: Type.Integer({ description: 'Messages that they work on' }),
  concurrency: Type.Integer({ description: 'Messages that they work on at once, at most' }),
});
export type StageStatus = Static<typeof StageStatus>;

export const Overview = Type.Object(
  {
    at: time,
    counted: Type.String({ description: 'When the tasks were counted, RFC 3339' }),
    health: Type.Enum(['ok', 'warning', 'failing'] as const),
    problems: Type.Array(
      Type.Object({
        severity: Type.Enum(['failing', 'warning'] as const),
        message: Type.String(),
        advice: Type.String(),
      }),
    ),
    running: Type.Integer({
      description: 'Tasks of the fleet that run, at the last look at Batch',
    }),
    stages: Type.Array(StageStatus),
    hold_up: Type.Object({ stage: Type.Optional(stage), message: Type.String() }),
    waiting: Type.Object({
      who: Type.Enum(['nobody', 'batch', 'batchwell'] as const, {
        description: 'Who has most of the tasks that wait',
      }),
      batch: Type.Integer(),
      batchwell: Type.Integer(),
      message: Type.String(),
    }),
    drain: Type.Object({
      backlog: Type.Integer({ description: 'Tasks that have not ended' }),
      per_minute: Type.Number({ description: 'Tasks that end in a minute, lately' }),
      seconds: Type.Optional(
        Type.Number({ description: 'Until the backlog is gone at that rate; absent if none ends' }),
      ),
    }),
    queues: Type.Array(
      Type.Object({
        queue: Type.String({ description: 'Batch job queue' }),
        tasks: Type.Integer({ description: 'Unfinished tasks in it' }),
        runnable: Type.Optional(Type.Integer({ description: 'Jobs that wait for a host' })),
        running: Type.Optional(Type.Integer()),
        oldest_seconds: Type.Number({
          description: 'How long a submission has waited for a start',
        }),
        held_up: Type.Integer({ description: 'Tasks for which AWS says why they do not start' }),
      }),
    ),
    owners: Type.Array(
      Type.Object({
        owner: Type.String(),
        tasks: Type.Integer({ description: 'Unfinished tasks' }),
        running: Type.Integer(),
        vcpus: Type.Number({ description: 'That its running tasks asked for' }),
        cost_per_hour: Type.Number(),
      }),
      {
        description:
          'The owners with most tasks, for callers with the scope admin; only the caller otherwise',
      },
    ),
    other_tasks: Type.Integer({ description: 'Unfinished tasks of owners that are not listed' }),
    cost: Type.Object(
      {
        per_hour: Type.Number({ description: 'Of what runs now, in the whole fleet' }),
        currency: Type.String(),
        prices: Type.String({ description: 'Where the prices are from, and from when' }),
      },
      { description: 'An estimate from the vCPUs and the memory that tasks asked for' },
    ),
    cache: Type.Object(
      {
        hits: Type.Integer(),
        vcpu_hours: Type.Number(),
        gib_hours: Type.Number(),
        cost: Type.Number({ description: 'What the runs would have cost' }),
      },
      { description: 'What cache hits of this owner saved so far' },
    ),
  },
  { description: 'The state of the fleet. Counts are up to some seconds old' },
);
export type Overview = Static<typeof Overview>;

export const WorkerStatus = Type.Object({
  id: Type.String(),
  host: Type.String(),
  pid: Type.Integer(),
  version: Type.String(),
  started: time,
  state: Type.Enum(['working', 'draining', 'drained', 'silent'] as const, {
    description:
      'draining: it takes no messages and finishes those that it has. drained: it has none. ' +
      'silent: it has not been heard of for 20 s',
  }),
  silent_seconds: Type.Number({ description: 'How long ago it was last heard of' }),
  stages: Type.Array(Type.Object({ stage, active: Type.Integer(), concurrency: Type.Integer() })),
});
export const WorkerList = Type.Object({
  workers: Type.Array(WorkerStatus, { description: 'Oldest first' }),
});
export type WorkerStatus = Static<typeof WorkerStatus>;

export const LaidAsideMessage = Type.Object({
  stage,
  id: Type.String(),
  tries: Type.Integer(),
  error: Type.String({ description: 'Of the last try' }),
  failed: time,
  tasks: Type.Integer({ description: 'How many tasks it names' }),
  task_ids: Type.Array(Type.String(), { description: 'The first of them, up to 20' }),
  subject: Type.Optional(Type.String({ description: 'What it names in place of tasks' })),
});
export type LaidAsideMessage = Static<typeof LaidAsideMessage>;
export const LaidAsideList = Type.Object({ messages: Type.Array(LaidAsideMessage) });
export const RetryMessagesRequest = Type.Object({
  stage,
  ids: Type.Optional(
    Type.Array(Type.String({ maxLength: 200 }), {
      maxItems: 1000,
      description: 'Default: all messages of the stage that were laid aside, up to 1,000',
    }),
  ),
});
export const RetryMessagesReply = Type.Object({
  retried: Type.Integer({ description: 'Number of messages that are taken again' }),
});

export const StageParams = Type.Object({ stage });
