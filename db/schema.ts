/**
 * The tables. Rows are the truth; everything in Redis can be made again from them.
 * Times are epoch milliseconds, digests are raw bytes.
 */
import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  index,
  int,
  mediumtext,
  mysqlEnum,
  mysqlTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  varbinary,
  varchar,
} from 'drizzle-orm/mysql-core';
import type { Access } from '../core/access/access.ts';
import { places } from '../core/places.ts';
import { profileNames } from '../core/profiles/profiles.ts';
import type { ResultRecord } from '../core/result/result.ts';
import { cacheModes } from '../core/task/task.ts';
import type { Template } from '../core/task/template.ts';
import { attemptOutcomes } from '../core/retry/attempt-outcomes.ts';
import { submissionStates } from '../core/submission/states.ts';
import { deliveryStates, type WebhookWants } from '../core/notify/webhooks.ts';
import { ascii, bytes, jsonText, key, ms } from './columns.ts';

/** What tasks share: see core/task/template.ts. */
export const templates = mysqlTable(
  'templates',
  {
    id: key().primaryKey().autoincrement(),
    /** SHA-256 of `body`. */
    digest: bytes({ length: 32 }).notNull(),
    body: jsonText<Template>().notNull(),
    /** SHA-256 of the rendered script, once it lies in S3. */
    scriptSha256: bytes({ length: 32 }),
    createdMs: ms().notNull(),
  },
  (table) => [uniqueIndex('templates_digest').on(table.digest)],
);

export const scatters = mysqlTable(
  'scatters',
  {
    id: key().primaryKey().autoincrement(),
    owner: varchar({ length: 64 }).notNull(),
    name: varchar({ length: 255 }).notNull(),
    size: int().notNull(),
    tags: jsonText<Record<string, string>>().notNull(),
    createdMs: ms().notNull(),
  },
  (table) => [index('scatters_owner').on(table.owner)],
);

export const tasks = mysqlTable(
  'tasks',
  {
    id: key().primaryKey().autoincrement(),
    owner: varchar({ length: 64 }).notNull(),
    /** Tasks of one domain share their hits. */
    cacheDomain: varchar({ length: 64 }).notNull(),
    scatterId: key(),
    /** Position in its scatter, from 0. */
    scatterRow: int(),
    name: varchar({ length: 255 }).notNull(),
    description: text().notNull(),
    tags: jsonText<Record<string, string>>().notNull(),
    templateId: key().notNull(),
    slotValues: jsonText<string[]>().notNull(),
    cache: mysqlEnum(cacheModes).notNull(),
    profile: mysqlEnum(profileNames).notNull(),
    /** What its caller should know; null when nothing. */
    warnings: jsonText<string[]>(),

    place: mysqlEnum(places).notNull(),
    /** The place where it ended; null while it is under way. Apart from `place`, so that its index is written once a task. */
    endedAs: ascii(9).generatedAlwaysAs(
      sql`IF(place IN ('done', 'failed', 'cancelled'), place, NULL)`,
      { mode: 'stored' },
    ),
    movedMs: ms().notNull(),
    /** When the call cache had been asked, and when its script lay in S3: for the timeline. */
    checkedMs: ms(),
    stagedMs: ms(),
    /** When the sweeper should wonder why it still stands here; null at the end. */
    dueMs: ms(),

    /** The task that makes the same call right now, while this one waits for it at cache-check. */
    waitsFor: key(),
    /** What decides a cache hit, once known; null when caching is off. */
    fingerprint: bytes({ length: 32 }),
    /** When the newest of its input objects was last modified, as S3 said when it was checked; 0 without any. */
    inputsModifiedMs: ms(),
    /** The entry that gave its outputs. */
    hitEntryId: key(),
    /** Whether the hit's outputs were copied to its own urls or are the prior ones; null until it has ended as a hit. */
    hitMode: mysqlEnum(['copy', 'reference']),
    /** Attempts of equal shape may share an array; set when the script is staged. */
    shape: bytes({ length: 16 }),
    /** The submission of its latest attempt; null while it waits to be packed. */
    submissionId: key(),
    /** Number of its latest attempt, from 1; 0 before the first. */
    attempt: smallint().notNull().default(0),
    hostLosses: smallint().notNull().default(0),
    /** How often its memory was grown after an out-of-memory end. */
    memoryGrowths: smallint().notNull().default(0),
    transientFailures: smallint().notNull().default(0),

    failureCode: ascii(40),
    /** One sentence for a human. */
    failure: text(),
    createdMs: ms().notNull(),
    endedMs: ms(),
  },
  (table) => [
    index('tasks_due').on(table.dueMs),
    // Without the place: a move would rewrite it, and reading a scatter's 10,000 rows takes some 20 ms.
    index('tasks_scatter').on(table.scatterId),
    // Serves both: a submission's tasks, and those of a shape that have none yet.
    index('tasks_submission').on(table.submissionId, table.shape),
    index('tasks_owner').on(table.owner),
    index('tasks_ended').on(table.owner, table.endedAs),
    index('tasks_name').on(table.owner, table.name),
    index('tasks_waits_for').on(table.waitsFor),
    check(
      'tasks_poll_has_submission',
      sql`${table.place} <> 'poll' OR ${table.submissionId} IS NOT NULL`,
    ),
    check('tasks_submit_has_shape', sql`${table.place} <> 'submit' OR ${table.shape} IS NOT NULL`),
    check(
      'tasks_failed_has_reason',
      sql`${table.place} <> 'failed' OR ${table.failureCode} IS NOT NULL`,
    ),
    check(
      'tasks_end_has_time',
      sql`(${table.place} IN ('done', 'failed', 'cancelled')) = (${table.endedMs} IS NOT NULL)`,
    ),
  ],
);

/**
 * Tags once more, for lookups: newest first is the key's order. Bytes, because as texts `Run`, `run` and `run ` would
 * be one key, and a task that has two of them could not be stored.
 */
export const taskTags = mysqlTable(
  'task_tags',
  {
    tagKey: varbinary({ length: 512 }).notNull(),
    tagValue: varbinary({ length: 1020 }).notNull(),
    taskId: key().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tagKey, table.tagValue, table.taskId] })],
);

/**
 * Of which tasks callers should be told that they stand elsewhere now: the log that events and webhooks are read from. One
 * row carries up to 1,000 tasks that moved together, written in the transaction of their move.
 */
export const taskChanges = mysqlTable(
  'task_changes',
  {
    id: key().primaryKey().autoincrement(),
    tasks: jsonText<number[]>().notNull(),
    /** They have come to their end by it. */
    ended: boolean().notNull(),
    /** By the database's own clock: readers compare it with that clock only. */
    createdMs: ms().notNull(),
  },
  (table) => [index('task_changes_created').on(table.createdMs)],
);

/** How far readers of the log of changes have come that must miss nothing; locked while one of them reads on. */
export const changeReaders = mysqlTable('change_readers', {
  reader: ascii(40).primaryKey(),
  upTo: key().notNull(),
});

/** Who is told by HTTP. */
export const webhooks = mysqlTable(
  'webhooks',
  {
    id: key().primaryKey().autoincrement(),
    owner: varchar({ length: 64 }).notNull(),
    url: varchar({ length: 2048 }).notNull(),
    wants: jsonText<WebhookWants>().notNull(),
    /** What its secret is made of, together with the fleet's own key. */
    salt: bytes({ length: 16 }).notNull(),
    createdMs: ms().notNull(),
  },
  (table) => [index('webhooks_owner').on(table.owner)],
);

/** What a webhook is to be told: committed with the reading of the change, so that it is neither lost nor made twice. */
export const webhookDeliveries = mysqlTable(
  'webhook_deliveries',
  {
    id: key().primaryKey().autoincrement(),
    webhookId: key().notNull(),
    /** The same for what must be told once. */
    subject: ascii(60).notNull(),
    body: mediumtext().notNull(),
    state: mysqlEnum(deliveryStates).notNull(),
    tries: smallint().notNull().default(0),
    /** What came of the last try. */
    outcome: text(),
    /** When to try; null once it has ended. */
    dueMs: ms(),
    createdMs: ms().notNull(),
    endedMs: ms(),
  },
  (table) => [
    uniqueIndex('webhook_deliveries_subject').on(table.webhookId, table.subject),
    index('webhook_deliveries_due').on(table.dueMs),
    index('webhook_deliveries_ended').on(table.endedMs),
  ],
);

/** Bearer tokens. A token itself is shown once, when it is made, and kept nowhere. */
export const tokens = mysqlTable(
  'tokens',
  {
    id: key().primaryKey().autoincrement(),
    /** SHA-256 of the token, which is 256 random bits: nothing slower is needed. */
    digest: bytes({ length: 32 }).notNull(),
    /** What it is for, in its maker's words. */
    name: varchar({ length: 255 }).notNull(),
    access: jsonText<Access>().notNull(),
    createdMs: ms().notNull(),
    /** Null for never. */
    expiresMs: ms(),
    revokedMs: ms(),
  },
  (table) => [uniqueIndex('tokens_digest').on(table.digest)],
);

/** Answers that were given to requests with an Idempotency-Key; the same request again gets the same. */
export const idempotencyKeys = mysqlTable(
  'idempotency_keys',
  {
    owner: varchar({ length: 64 }).notNull(),
    /** SHA-256 of the key. */
    digest: bytes({ length: 32 }).notNull(),
    /** SHA-256 of what was asked. */
    request: bytes({ length: 32 }).notNull(),
    taskId: key(),
    scatterId: key(),
    createdMs: ms().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.owner, table.digest] }),
    index('idempotency_keys_created').on(table.createdMs),
  ],
);

/** One Batch job definition per content, known to the whole fleet. */
export const jobDefinitions = mysqlTable(
  'job_definitions',
  {
    id: key().primaryKey().autoincrement(),
    /** SHA-256 of `content`. */
    digest: bytes({ length: 32 }).notNull(),
    content: jsonText<Record<string, unknown>>().notNull(),
    /** name:revision, once registered. */
    revision: ascii(200),
    /** Until when one worker has the right to register it. */
    claimedUntilMs: ms().notNull().default(0),
    createdMs: ms().notNull(),
    lastUsedMs: ms().notNull(),
  },
  (table) => [uniqueIndex('job_definitions_digest').on(table.digest)],
);

/** What attempts must have in common to share an array job. */
export const shapes = mysqlTable('shapes', {
  /** Digest of the rest. */
  shape: bytes({ length: 16 }).primaryKey(),
  jobDefinitionId: key().notNull(),
  queue: ascii(512).notNull(),
  share: ascii(255).notNull(),
  priority: int().notNull(),
  createdMs: ms().notNull(),
});

/** Locked while attempts of an owner with a limit are packed; empty where nobody has one. */
export const owners = mysqlTable('owners', { owner: varchar({ length: 64 }).primaryKey() });

/** One SubmitJob: committed as an intent before the call is made. */
export const submissions = mysqlTable(
  'submissions',
  {
    id: key().primaryKey().autoincrement(),
    /** Digest of what is submitted; the job's name is made of it. */
    submissionKey: ascii(40).notNull(),
    shape: bytes({ length: 16 }).notNull(),
    state: mysqlEnum(submissionStates).notNull(),
    /** 1 is a single job, 2..10,000 an array. */
    size: int().notNull(),
    queue: ascii(512).notNull(),
    jobDefinitionId: key().notNull(),
    jobId: ascii(80),
    /** How often SubmitJob was called; above 1 a late twin is possible and the owner is written by the fleet. */
    calls: smallint().notNull().default(0),
    /** When SubmitJob was last called. */
    calledMs: ms(),
    submittedMs: ms(),
    /** When a job of it was first seen RUNNING. */
    runningMs: ms(),
    /** When a cancel of some of its tasks was asked for; their jobs are ended by the next poll. */
    cancelMs: ms(),
    /** Why Batch does not start it, as it said more than once. */
    waitingReason: text(),
    endedMs: ms(),
    dueMs: ms(),
    createdMs: ms().notNull(),
  },
  (table) => [
    uniqueIndex('submissions_key').on(table.submissionKey),
    index('submissions_due').on(table.dueMs),
    index('submissions_watch').on(table.state, table.queue),
    check(
      'submissions_running_has_job',
      sql`${table.state} <> 'running' OR ${table.jobId} IS NOT NULL`,
    ),
  ],
);

/** One try at running a task in a container. */
export const attempts = mysqlTable(
  'attempts',
  {
    taskId: key().notNull(),
    number: smallint().notNull(),
    submissionId: key().notNull(),
    arrayIndex: int().notNull(),
    outcome: mysqlEnum(attemptOutcomes),
    exitCode: int(),
    /** Batch's or the stager's words on how it ended. */
    reason: text(),
    result: jsonText<ResultRecord>(),
    /** Batch's own attempt that ended it, from 1; part of where its logs lie. */
    batchAttempt: smallint(),
    createdMs: ms().notNull(),
    endedMs: ms(),
  },
  (table) => [
    primaryKey({ columns: [table.taskId, table.number] }),
    uniqueIndex('attempts_index').on(table.submissionId, table.arrayIndex),
    check('attempts_end_has_outcome', sql`(${table.outcome} IS NULL) = (${table.endedMs} IS NULL)`),
  ],
);

/** The call cache: one row per task whose outputs may be used again. */
export const cacheEntries = mysqlTable(
  'cache_entries',
  {
    id: key().primaryKey().autoincrement(),
    /** Tasks of one domain share their hits. */
    domain: varchar({ length: 64 }).notNull(),
    fingerprint: bytes({ length: 32 }).notNull(),
    taskId: key().notNull(),
    /** Why it can no longer be used; null while it can. */
    invalidReason: text(),
    hits: int().notNull().default(0),
    lastHitMs: ms(),
    createdMs: ms().notNull(),
  },
  (table) => [
    uniqueIndex('cache_entries_task').on(table.taskId),
    index('cache_entries_lookup').on(table.fingerprint, table.domain),
  ],
);

export const cacheOutputs = mysqlTable(
  'cache_outputs',
  {
    entryId: key().notNull(),
    position: int().notNull(),
    /** Position in the task's declared outputs. */
    output: int().notNull(),
    /** '' for a FILE, the relative path below the output's url otherwise. */
    path: text().notNull(),
    url: mediumtext().notNull(),
    sizeBytes: key().notNull(),
    crc64nvme: ascii(16).notNull(),
  },
  (table) => [primaryKey({ columns: [table.entryId, table.position] })],
);

/** What went into a fingerprint, part by part, so that a hit or a miss can be explained later. */
export const cacheComponents = mysqlTable('cache_components', {
  fingerprint: bytes({ length: 32 }).primaryKey(),
  components: jsonText<Record<string, string>>().notNull(),
});

/** Who runs a fingerprint right now; equal calls wait for it. */
export const cacheFlights = mysqlTable(
  'cache_flights',
  {
    fingerprint: bytes({ length: 32 }).notNull(),
    domain: varchar({ length: 64 }).notNull(),
    taskId: key().notNull(),
    sinceMs: ms().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.fingerprint, table.domain] }),
    index('cache_flights_task').on(table.taskId),
  ],
);
