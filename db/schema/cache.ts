/** The call cache. */
import {
  index,
  int,
  mediumtext,
  mysqlTable,
  primaryKey,
  text,
  uniqueIndex,
  varchar,
} from 'drizzle-orm/mysql-core';
import { ascii, bytes, jsonText, key, ms } from './columns.ts';

/** One row per task whose outputs may be reused. */
export const cacheEntries = mysqlTable(
  'cache_entries',
  {
    id: key().primaryKey().autoincrement(),
    /** Tasks of one domain share their entries. */
    domain: varchar({ length: 64 }).notNull(),
    fingerprint: bytes({ length: 32 }).notNull(),
    taskId: key().notNull(),
    /** Why it can no longer be used. Null while it can. */
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
    /** '' for a FILE, otherwise the relative path below the URL of the output. */
    path: text().notNull(),
    url: mediumtext().notNull(),
    sizeBytes: key().notNull(),
    crc64nvme: ascii(16).notNull(),
  },
  (table) => [primaryKey({ columns: [table.entryId, table.position] })],
);

/** The components of a fingerprint, so that a hit or a miss can be explained later. */
export const cacheComponents = mysqlTable('cache_components', {
  fingerprint: bytes({ length: 32 }).primaryKey(),
  components: jsonText<Record<string, string>>().notNull(),
});

/** The task that computes a fingerprint right now. Equal tasks wait for it. */
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
