/** Submissions and attempts, and the job definitions, shapes and owners that they need. */
import { sql } from 'drizzle-orm';
import {
  check,
  index,
  int,
  mysqlEnum,
  mysqlTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  varchar,
} from 'drizzle-orm/mysql-core';
import type { StoredRecord } from '../../core/result/result.ts';
import { awsWaits } from '../../core/waiting/aws-waits.ts';
import { attemptOutcomes } from '../../core/retry/attempt-outcomes.ts';
import { submissionStates } from '../../core/submission/states.ts';
import { ascii, bytes, jsonText, key, ms } from './columns.ts';

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
    /** When this revision was registered. Null while there is none. */
    registeredMs: ms(),
    /** How many times it was registered since Batch last took a job with it. */
    registrations: smallint().notNull().default(0),
    /** Since when Batch does not know a revision that it knew before; null while it does. */
    unknownMs: ms(),
    /** One worker has the right to register it until this time. */
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
  /** Of its jobs; null where there are none. */
  tags: jsonText<Record<string, string>>(),
  /** Attempts of different owners never share a submission. */
  owner: varchar({ length: 64 }).notNull(),
  /** When a task was last staged with it, within an hour. */
  usedMs: ms().notNull(),
});

/** Locked while attempts of an owner with a limit are packed. Empty when no owner has a limit. */
export const owners = mysqlTable('owners', { owner: varchar({ length: 64 }).primaryKey() });

/** One SubmitJob: committed as an intent before the call is made. */
export const submissions = mysqlTable(
  'submissions',
  {
    id: key().primaryKey().autoincrement(),
    /** Drawn when its attempts are packed: 32 hex digits. The job name is made of it. */
    submissionKey: ascii(40).notNull(),
    /** Only the fleet and its own containers have it: see core/submission/proof.ts. */
    secret: bytes({ length: 32 }).notNull(),
    /** Whose objects they are, with the owner. */
    installation: ascii(16).notNull(),
    owner: varchar({ length: 64 }).notNull(),
    shape: bytes({ length: 16 }).notNull(),
    state: mysqlEnum(submissionStates).notNull(),
    /** 1 is a single job, 2 to 10,000 an array. */
    size: int().notNull(),
    /** How many of its attempts have not ended. Changed in the transaction that ends them. */
    open: int().notNull(),
    queue: ascii(512).notNull(),
    jobDefinitionId: key().notNull(),
    jobId: ascii(80),
    /**
     * How many times SubmitJob was called. Above 1, a late twin is possible and the fleet writes
     * the owner.
     */
    calls: smallint().notNull().default(0),
    /** When SubmitJob was last called. */
    calledMs: ms(),
    submittedMs: ms(),
    /** When a job of it was first seen RUNNING. Which of its attempts run: `started_ms` of each. */
    runningMs: ms(),
    /** How many of its attempts Batch had not started at the latest look; null before the first. */
    unstarted: int(),
    /** When some of its tasks were cancelled. The next poll ends their jobs. */
    cancelMs: ms(),
    /** Why it is not submitted or not started, in the words of AWS; null while nothing is known. */
    waitingReason: text(),
    /** What kind of reason that is, and since when. */
    waitingFor: mysqlEnum(awsWaits),
    waitingMs: ms(),
    /** Since when AWS denies what it needs, so that it cannot be submitted; null otherwise. */
    blockedMs: ms(),
    endedMs: ms(),
    dueMs: ms(),
    createdMs: ms().notNull(),
  },
  (table) => [
    uniqueIndex('submissions_key').on(table.submissionKey),
    index('submissions_due').on(table.dueMs),
    index('submissions_shape').on(table.shape),
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
    /** How it ended, in the words of Batch or the stager. */
    reason: text(),
    /** Its beginning, where the whole record is larger than core/result/stored-record.ts allows. */
    result: jsonText<StoredRecord>(),
    /** Batch's own attempt that ended it, from 1. Part of the key of its logs. */
    batchAttempt: smallint(),
    /** When its container started, as far as that was seen before it ended. For display only. */
    startedMs: ms(),
    createdMs: ms().notNull(),
    endedMs: ms(),
  },
  (table) => [
    primaryKey({ columns: [table.taskId, table.number] }),
    uniqueIndex('attempts_index').on(table.submissionId, table.arrayIndex),
    check('attempts_end_has_outcome', sql`(${table.outcome} IS NULL) = (${table.endedMs} IS NULL)`),
  ],
);
