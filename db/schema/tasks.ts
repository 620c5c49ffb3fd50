/**
 * The tables, a file per topic; drizzle-kit reads every file here. Rows are the truth: everything in
 * Redis can be rebuilt from them. Times are epoch milliseconds, digests are raw bytes.
 *
 * This file: tasks, and what they share.
 */
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
  varbinary,
  varchar,
} from 'drizzle-orm/mysql-core';
import { hitRefusals } from '../../core/cache/copy-trouble.ts';
import { places } from '../../core/places.ts';
import { profileNames } from '../../core/profiles/profile-names.ts';
import { cacheModes, mergeModes } from '../../core/task/task.ts';
import type { Template } from '../../core/task/template.ts';
import { ascii, bytes, jsonText, key, ms } from './columns.ts';

/** What tasks share: see core/task/template.ts. */
export const templates = mysqlTable(
  'templates',
  {
    id: key().primaryKey().autoincrement(),
    /** SHA-256 of its owner and `body`. */
    digest: bytes({ length: 32 }).notNull(),
    body: jsonText<Template>().notNull(),
    /** SHA-256 of the rendered script, once it is in S3. */
    scriptSha256: bytes({ length: 32 }),
    /** Why its script cannot be written; null otherwise. */
    blocked: text(),
    /** Since when. */
    blockedMs: ms(),
    createdMs: ms().notNull(),
    /** When a task was last accepted with it, within an hour. */
    usedMs: ms().notNull(),
  },
  (table) => [
    uniqueIndex('templates_digest').on(table.digest),
    index('templates_used').on(table.usedMs),
  ],
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
    /** When its last task was seen to have ended. */
    endedMs: ms(),
  },
  (table) => [index('scatters_owner').on(table.owner)],
);

export const tasks = mysqlTable(
  'tasks',
  {
    id: key().primaryKey().autoincrement(),
    owner: varchar({ length: 64 }).notNull(),
    /** Tasks of one domain share their cache entries. */
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
    merge: mysqlEnum(mergeModes).notNull().default('on'),
    /** 0, or n for the n-th equal row of its scatter (core/cache/replicates.ts). */
    replicate: int().notNull().default(0),
    profile: mysqlEnum(profileNames).notNull(),
    /** Warnings to the caller. Null when there are none. */
    warnings: jsonText<string[]>(),

    place: mysqlEnum(places).notNull(),
    /**
     * The place where it ended, null before. Separate from `place`, so that its index is written
     * once per task.
     */
    endedAs: ascii(9).generatedAlwaysAs(
      sql`IF(place IN ('done', 'failed', 'cancelled'), place, NULL)`,
      { mode: 'stored' },
    ),
    movedMs: ms().notNull(),
    /** When the cache check was done, and when the script was in S3. For the timeline. */
    checkedMs: ms(),
    stagedMs: ms(),
    /** When the sweeper sends it a message again. Null once it has ended. */
    dueMs: ms(),

    /** The equal task that runs right now, while this one waits for it at cache-check. */
    waitsFor: key(),
    /** Decides a cache hit. Null until it is known, and when caching is off. */
    fingerprint: bytes({ length: 32 }),
    /** What a run must read for its outputs to be cached under that fingerprint (core/cache/read-digest.ts). */
    inputsRead: bytes({ length: 16 }),
    /**
     * SHA-256 of the manifest that the tag of its image named when it was checked; null where it
     * runs the image as it is named.
     */
    imageDigest: bytes({ length: 32 }),
    /** The entry that gave its outputs. */
    hitEntryId: key(),
    /** An entry that it must not use; null when there is none. */
    avoidEntryId: key(),
    /** Why it must not: the entry itself stays valid. */
    hitRefusal: mysqlEnum(hitRefusals),
    /** What the cache check decided, and why: codes of core/cache/reasons.ts. Null before it. */
    cacheVerdict: ascii(8),
    cacheReason: ascii(24),
    /** The task whose result it is, or for which it waited. */
    cacheSource: key(),
    /** What decided: the path of an input, or an image. */
    cacheSubject: text(),
    /** Why its run left no entry; null while it runs, and where there is one. */
    cacheUnkept: ascii(24),
    /**
     * Whether the outputs of a hit were copied to its own URLs or are the prior ones. Null until a
     * hit has ended.
     */
    hitMode: mysqlEnum(['copy', 'reference']),
    /** Attempts of equal shape may share an array. Set when the script is staged. */
    shape: bytes({ length: 16 }),
    /** The submission of its latest attempt. Null while it waits to be packed. */
    submissionId: key(),
    /** Number of its latest attempt, from 1. 0 before the first. */
    attempt: smallint().notNull().default(0),
    hostLosses: smallint().notNull().default(0),
    /** How many times a host failed to run it: a full disk, a missing folder, a throttled log driver. */
    hostFaults: smallint().notNull().default(0),
    /** It is not packed before this time. Null where it need not wait. */
    retryMs: ms(),
    /** How many times its memory was increased after it ran out of memory. */
    memoryGrowths: smallint().notNull().default(0),
    transientFailures: smallint().notNull().default(0),

    failureCode: ascii(40),
    /** One sentence for people. */
    failure: text(),
    createdMs: ms().notNull(),
    endedMs: ms(),
  },
  (table) => [
    index('tasks_due').on(table.dueMs),
    // Without the place: each move would rewrite it, and reading the 10,000 rows of a scatter takes
    // about 20 ms.
    index('tasks_scatter').on(table.scatterId),
    // Finds the tasks of a submission, and those of a shape that have none yet.
    index('tasks_submission').on(table.submissionId, table.shape),
    index('tasks_owner').on(table.owner),
    index('tasks_ended').on(table.owner, table.endedAs),
    index('tasks_name').on(table.owner, table.name),
    // Finds earlier tasks of the same form, to tell why a task missed the cache.
    index('tasks_template').on(table.owner, table.templateId),
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
 * A copy of the tags for lookups, newest first in the order of the key. Bytes, because as text `Run`,
 * `run` and `run ` would be one key, and a task with two of them could not be stored.
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
