/** The log of changes, and the webhooks that are notified from it. */
import {
  boolean,
  index,
  mediumtext,
  mysqlEnum,
  mysqlTable,
  smallint,
  text,
  uniqueIndex,
  varchar,
} from 'drizzle-orm/mysql-core';
import { deliveryStates, type WebhookWants } from '../../core/notify/webhooks.ts';
import { ascii, bytes, jsonText, key, ms } from './columns.ts';

/**
 * The log of changes: tasks that moved, for events and webhooks. One row holds up to 1,000 tasks that
 * moved together, and is written in the transaction of their move.
 */
export const taskChanges = mysqlTable(
  'task_changes',
  {
    id: key().primaryKey().autoincrement(),
    tasks: jsonText<number[]>().notNull(),
    /** Whether the tasks ended with this change. */
    ended: boolean().notNull(),
    /** By the clock of the database. Readers compare it with that clock only. */
    createdMs: ms().notNull(),
  },
  (table) => [index('task_changes_created').on(table.createdMs)],
);

/**
 * The positions of readers that must not miss a change. A row is locked while its reader continues.
 */
export const changeReaders = mysqlTable('change_readers', {
  reader: ascii(40).primaryKey(),
  upTo: key().notNull(),
});

/** Receivers that are notified by HTTP. */
export const webhooks = mysqlTable(
  'webhooks',
  {
    id: key().primaryKey().autoincrement(),
    owner: varchar({ length: 64 }).notNull(),
    url: varchar({ length: 2048 }).notNull(),
    wants: jsonText<WebhookWants>().notNull(),
    /** Its secret is derived from this and the key of the fleet. */
    salt: bytes({ length: 16 }).notNull(),
    createdMs: ms().notNull(),
  },
  (table) => [index('webhooks_owner').on(table.owner)],
);

/**
 * Notifications to a webhook. Committed with the reader's position, so that none is lost or made
 * twice.
 */
export const webhookDeliveries = mysqlTable(
  'webhook_deliveries',
  {
    id: key().primaryKey().autoincrement(),
    webhookId: key().notNull(),
    /** Equal for notifications that must be sent once. */
    subject: ascii(60).notNull(),
    body: mediumtext().notNull(),
    state: mysqlEnum(deliveryStates).notNull(),
    tries: smallint().notNull().default(0),
    /** The outcome of the last try. */
    outcome: text(),
    /** When to try next. Null once it has ended. */
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
