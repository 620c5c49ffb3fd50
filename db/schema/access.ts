/** Access control: tokens, and the requests that were answered before. */
import { index, mysqlTable, primaryKey, uniqueIndex, varchar } from 'drizzle-orm/mysql-core';
import type { Access } from '../../core/access/access.ts';
import { bytes, jsonText, key, ms } from './columns.ts';

/** Bearer tokens. The token itself is shown once, when it is created, and not stored. */
export const tokens = mysqlTable(
  'tokens',
  {
    id: key().primaryKey().autoincrement(),
    /** SHA-256 of the token, which is 256 random bits: no slower digest is needed. */
    digest: bytes({ length: 32 }).notNull(),
    /** Its purpose, in the words of whoever created it. */
    name: varchar({ length: 255 }).notNull(),
    access: jsonText<Access>().notNull(),
    createdMs: ms().notNull(),
    /** Null when it never expires. */
    expiresMs: ms(),
    revokedMs: ms(),
  },
  (table) => [uniqueIndex('tokens_digest').on(table.digest)],
);

/** Answers to requests with an Idempotency-Key. The same request gets the same answer again. */
export const idempotencyKeys = mysqlTable(
  'idempotency_keys',
  {
    owner: varchar({ length: 64 }).notNull(),
    /** SHA-256 of the key. */
    digest: bytes({ length: 32 }).notNull(),
    /** SHA-256 of the request. */
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
