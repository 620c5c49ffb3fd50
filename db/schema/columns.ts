/** Column types that MySQL 8 and MariaDB 10.11 both keep exactly. */
import { bigint, customType, varchar } from 'drizzle-orm/mysql-core';

/** BINARY(n) as a Buffer. Drizzle's own `binary` gives a lossy string. */
export const bytes = customType<{
  data: Buffer;
  driverData: Buffer;
  config: { length: number };
  configRequired: true;
}>({
  dataType: (config) => `binary(${config.length})`,
});

/** A row's key. Auto-increment stays far below 2^53, so a number holds it. */
export const key = () => bigint({ mode: 'number', unsigned: true });

/** Epoch milliseconds. */
export const ms = () => bigint({ mode: 'number', unsigned: true });

/** JSON as text: MariaDB's JSON *is* text, and mysql2 parses only MySQL's. */
export const jsonText = <T>() =>
  customType<{ data: T; driverData: string }>({
    dataType: () => 'mediumtext',
    toDriver: (value) => JSON.stringify(value),
    fromDriver: (text) => JSON.parse(text) as T,
  })();

export const ascii = (length: number) => varchar({ length });
