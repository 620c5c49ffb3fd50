/** Schemas of the call cache: its entries, what they saved, and what is done to them. */
import { Type } from 'typebox';
import { PageQuery } from './replies.ts';

export const CacheEntry = Type.Object({
  task: Type.String({ description: 'Id of the task that wrote the entry' }),
  name: Type.String({ description: 'Name of that task' }),
  created: Type.String(),
  usable: Type.Boolean({ description: 'Whether later tasks can use it' }),
  invalid_reason: Type.Optional(Type.String({ description: 'Why it cannot be used' })),
  run_seconds: Type.Number({ description: 'How long its run took' }),
  hits: Type.Integer(),
  last_hit: Type.Optional(Type.String()),
});

export const CacheEntryQuery = Type.Object({
  name: Type.Optional(Type.String({ maxLength: 255, description: 'Name of the task' })),
  usable: Type.Optional(Type.Boolean()),
  ...PageQuery,
});

export const CacheEntryList = Type.Object({
  entries: Type.Array(CacheEntry),
  next_page_token: Type.Optional(Type.String()),
});

export const CacheEntryDetail = Type.Object({
  ...CacheEntry.properties,
  warnings: Type.Array(Type.String(), { description: 'Warnings of its run; a hit has the same' }),
  outputs: Type.Array(
    Type.Object({
      url: Type.String(),
      path: Type.String({ description: 'Below the URL of the output; empty for a file' }),
      size_bytes: Type.Integer(),
    }),
  ),
  hidden_outputs: Type.Integer({
    description: 'Number of outputs whose URLs this token does not allow',
  }),
});

const savings = {
  hits: Type.Integer(),
  vcpu_hours: Type.Number({ description: 'vCPU-hours that the hits did not take' }),
  gib_hours: Type.Number({ description: 'GiB-hours of memory that the hits did not take' }),
  copied_bytes: Type.Integer({ description: 'Bytes copied within S3 for the hits' }),
};

export const CacheStats = Type.Object({
  entries: Type.Integer(),
  unusable_entries: Type.Integer(),
  saved: Type.Object(savings),
  by_name: Type.Array(
    Type.Object({
      name: Type.String({ description: 'Task name, with # in place of numbers' }),
      ...savings,
      last_hit: Type.String(),
    }),
    { description: 'The names that saved most, at most 100' },
  ),
});

export const CacheInvalidateRequest = Type.Object(
  {
    tasks: Type.Optional(
      Type.Array(Type.String(), { description: 'Ids of up to 1,000 tasks that wrote entries' }),
    ),
    name: Type.Optional(Type.String({ description: 'Name of the tasks that wrote entries' })),
    output_prefix: Type.Optional(
      Type.String({ description: 'What the URL of an output begins with' }),
    ),
    reason: Type.String({ description: 'Shown in explanations, up to 500 characters' }),
    dry_run: Type.Optional(Type.Boolean({ description: 'Change nothing, only count' })),
  },
  {
    description: 'Exactly one of tasks, name and output_prefix',
    oneOf: ['tasks', 'name', 'output_prefix'].map((one) => ({ required: [one] })),
  },
);

export const CachePruneRequest = Type.Object({
  unused_days: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'Delete entries that were neither written nor hit for this many days',
    }),
  ),
  unusable: Type.Optional(
    Type.Boolean({ description: 'Delete entries that can no longer be used' }),
  ),
  dry_run: Type.Optional(Type.Boolean({ description: 'Change nothing, only count' })),
});

export const CacheChanged = Type.Object({
  entries: Type.Integer({ description: 'Number of entries' }),
  dry_run: Type.Boolean({ description: 'Whether nothing was changed' }),
  examples: Type.Array(Type.Object({ task: Type.String(), name: Type.String() }), {
    description: 'At most 20 of them',
  }),
});

export const CacheDiffQuery = Type.Object({
  a: Type.String({ description: 'Id of a task' }),
  b: Type.String({ description: 'Id of another task' }),
});

const CromwellCall = Type.Object({
  executionStatus: Type.String(),
  allowResultReuse: Type.Boolean(),
  callFqn: Type.String(),
  jobIndex: Type.Integer(),
  workflowId: Type.String({ description: 'Id of the task' }),
});

export const CromwellDiff = Type.Object(
  {
    callA: CromwellCall,
    callB: CromwellCall,
    hashDifferential: Type.Array(
      Type.Object({
        hashKey: Type.String(),
        callA: Type.Union([Type.String(), Type.Null()]),
        callB: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
  },
  { description: 'In the form of Cromwell’s callcaching diff' },
);

export const ExportedEntry = Type.Object({
  task: Type.String({ description: 'Id of the task that wrote the entry' }),
  name: Type.String(),
  created: Type.String(),
  fingerprint: Type.String({ description: 'SHA-256 in hex' }),
  usable: Type.Boolean(),
  run_seconds: Type.Number(),
  hits: Type.Integer(),
  warnings: Type.Array(Type.String()),
  inputs: Type.Array(
    Type.Object({ part: Type.String(), holds: Type.String(), size_bytes: Type.Integer() }),
    { description: 'What the inputs held, where it is known' },
  ),
  outputs: Type.Array(
    Type.Object({
      url: Type.String(),
      path: Type.String(),
      size_bytes: Type.Integer(),
      crc64nvme: Type.String({ description: 'base64' }),
      etag: Type.String(),
      version_id: Type.Optional(Type.String()),
    }),
  ),
});

export const CacheExport = Type.Object({
  entries: Type.Array(ExportedEntry, {
    description: 'Outputs whose URLs this token does not allow are left out',
  }),
  next_page_token: Type.Optional(Type.String()),
});
