/**
 * GA4GH TES 1.1, as in replies and in /openapi.json. Requests are read by core/task/parse-task.ts,
 * which is more lenient.
 */
import { Type, type Static } from 'typebox';
import { waitingKinds } from '../../core/waiting/waiting.ts';
import { tesStates } from '../../core/task/tes-state.ts';

const texts = Type.Record(Type.String(), Type.String());
const fileType = Type.Enum(['FILE', 'DIRECTORY'] as const);
const time = Type.String({ description: 'RFC 3339' });

export const TesState = Type.Enum(tesStates);

export const TesInput = Type.Object({
  name: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  url: Type.Optional(
    Type.String({
      description: 's3://bucket/key, http://… or https://…; required unless content is given',
    }),
  ),
  path: Type.String({ description: 'Absolute path in the container' }),
  type: Type.Optional(fileType),
  content: Type.Optional(
    Type.String({ description: 'The text of the file itself, at most 128 KiB; overrides url' }),
  ),
});

export const TesOutput = Type.Object({
  name: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  url: Type.String({
    description: 's3://bucket/key; a directory if type is DIRECTORY or path has wildcards',
  }),
  path: Type.String({
    description:
      'Absolute path in the container. With the wildcards *, ? and […], path_prefix is required',
  }),
  path_prefix: Type.Optional(Type.String()),
  type: Type.Optional(fileType),
});

export const TesExecutor = Type.Object({
  image: Type.String(),
  command: Type.Array(Type.String(), { minItems: 1, description: 'Begins with a program' }),
  workdir: Type.Optional(Type.String()),
  stdin: Type.Optional(Type.String()),
  stdout: Type.Optional(Type.String()),
  stderr: Type.Optional(Type.String()),
  env: Type.Optional(texts),
  ignore_error: Type.Optional(Type.Boolean()),
});

export const TesResources = Type.Object({
  cpu_cores: Type.Optional(Type.Integer({ description: 'Whole vCPUs; a fraction is rounded up' })),
  preemptible: Type.Optional(Type.Boolean()),
  ram_gb: Type.Optional(Type.Number({ description: 'GiB' })),
  disk_gb: Type.Optional(Type.Number({ description: 'GiB' })),
  zones: Type.Optional(Type.Array(Type.String())),
  backend_parameters: Type.Optional(texts),
  backend_parameters_strict: Type.Optional(Type.Boolean()),
});

export const TesExecutorLog = Type.Object({
  start_time: Type.Optional(time),
  end_time: Type.Optional(time),
  stdout: Type.Optional(Type.String()),
  stderr: Type.Optional(Type.String()),
  exit_code: Type.Integer({ description: '-1 while it is unknown' }),
});

export const TesOutputFileLog = Type.Object({
  url: Type.String(),
  path: Type.String(),
  size_bytes: Type.Optional(
    Type.String({
      description: 'Absent only for Cromwell, which reads 32 bits, if the size is larger',
    }),
  ),
  version_id: Type.Optional(
    Type.String({
      description:
        'Only for a cache hit by reference: the version of the object that holds the output. ' +
        'Without it, a later task can have overwritten what is at the URL',
    }),
  ),
});

export const TesTaskLog = Type.Object({
  logs: Type.Array(TesExecutorLog),
  metadata: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description:
        'attempt, submission, queue, and batch_job_id of the attempt, and what its executors used: ' +
        'wall_seconds, cpu_seconds, peak_memory_bytes, read_bytes, written_bytes. Of a task that does not run: ' +
        'waiting (why, and since when, in a sentence), waiting_for (one of ' +
        `${waitingKinds.join(', ')}), waiting_since (RFC 3339), waiting_ahead (how many tasks of ` +
        'this fleet are ahead of it in its job queue), and waiting_task (the equal task of the ' +
        'same owner that it waits for)',
    }),
  ),
  start_time: Type.Optional(time),
  end_time: Type.Optional(time),
  outputs: Type.Array(TesOutputFileLog),
  system_logs: Type.Optional(Type.Array(Type.String())),
});

const request = {
  name: Type.Optional(Type.String({ maxLength: 255 })),
  description: Type.Optional(Type.String()),
  inputs: Type.Optional(Type.Array(TesInput)),
  outputs: Type.Optional(Type.Array(TesOutput)),
  resources: Type.Optional(TesResources),
  executors: Type.Array(TesExecutor),
  volumes: Type.Optional(Type.Array(Type.String())),
  tags: Type.Optional(texts),
};

const TesInputRequest = Type.Object(TesInput.properties, {
  description: 'Has a url, or content instead',
  anyOf: [{ required: ['url'] }, { required: ['content'] }],
});

export const TesTaskRequest = Type.Object(
  {
    ...request,
    inputs: Type.Optional(Type.Array(TesInputRequest)),
    executors: Type.Array(TesExecutor, { minItems: 1 }),
  },
  { title: 'tesTask' },
);
export const TesTaskFull = Type.Object({
  id: Type.String(),
  state: TesState,
  ...request,
  logs: Type.Array(TesTaskLog),
  creation_time: time,
});
export const TesTaskMinimal = Type.Object({ id: Type.String(), state: TesState });
export const TesTaskReply = Type.Union([TesTaskMinimal, TesTaskFull]);
export const TesListReply = Type.Object({
  tasks: Type.Array(TesTaskReply),
  next_page_token: Type.Optional(Type.String()),
});
export const TesCreateReply = Type.Object({ id: Type.String() });
export const TesCancelReply = Type.Object({});

export type TesTaskFull = Static<typeof TesTaskFull>;
export type TesTaskMinimal = Static<typeof TesTaskMinimal>;
export type TesTaskLog = Static<typeof TesTaskLog>;
export type TesExecutorLog = Static<typeof TesExecutorLog>;
export type TesOutputFileLog = Static<typeof TesOutputFileLog>;

export const views = ['MINIMAL', 'BASIC', 'FULL'] as const;
export type View = (typeof views)[number];
/** Any state that TES 1.0 does not have makes Cromwell, Nextflow and Snakemake hang. */
export const StatesQuery = Type.Optional(
  Type.Enum(['1.0', '1.1'] as const, {
    default: '1.0',
    description: 'Version of TES whose states are shown; 1.1 adds PREEMPTED and CANCELING',
  }),
);
/** Proxies between a client and the API cut longer waits: load balancers time out after 60 s. */
export const WaitQuery = Type.Optional(
  Type.String({
    pattern: '^([0-9]|[1-4][0-9]|50)s$',
    description:
      'Longest time to wait for a change of state before the reply: 0s to 50s. An addition to TES',
  }),
);
export const ViewQuery = Type.Optional(
  Type.Enum(views, {
    default: 'MINIMAL',
    description:
      'MINIMAL: id and state. BASIC: all except input contents, stdout, stderr and system_logs. FULL: all',
  }),
);
