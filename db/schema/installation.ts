/** What this database is: the one row of an installation. */
import { int, mysqlTable, text, tinyint } from 'drizzle-orm/mysql-core';
import { ascii, bytes, jsonText, ms } from './columns.ts';

export const installation = mysqlTable('installation', {
  /** Always 1. */
  one: tinyint().primaryKey(),
  /** Drawn once: 16 hex digits. Part of all keys in the work bucket, and of the names of jobs. */
  id: ascii(16).notNull(),
  /** Proves its lease. */
  secret: bytes({ length: 32 }).notNull(),
  /** Raised when a backup is restored. */
  epoch: int().notNull(),
  /** Where its lease is. Null before the first renewal. */
  workUrl: text(),
  /** Nonces of the latest renewals, newest last (core/installation/lease.ts). */
  issued: jsonText<string[]>().notNull(),
  /** Counts the renewals: the guard of the next one. */
  renewals: int().notNull(),
  /** When a renewal last reached the bucket. */
  renewedMs: ms().notNull(),
  /** Why the fleet stopped; null while it may act. */
  stopReason: text(),
});
