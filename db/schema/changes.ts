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
