/** Access control: tokens, and the requests that were answered before. */
import { index, mysqlTable, primaryKey, uniqueIndex, varchar } from 'drizzle-orm/mysql-core';
import type { Access } from '../../core/access/access.ts';
import { bytes, jsonText, key, ms } from './columns.ts';

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
