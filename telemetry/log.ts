/** Log lines are a constant event plus fields, and never contain secrets. */
import { pino, stdSerializers, type Logger } from 'pino';

export type Log = Logger;

/** Paths that can hold secrets in a logged object. */
const REDACTED = [
  'authorization',
  '*.authorization',
  'req.headers.authorization',
  'headers.authorization',
  'password',
  '*.password',
  'token',
  '*.token',
  'env',
  '*.env',
];

/**
 * ioredis attaches the failed command with its arguments, which are the password where AUTH fails,
 * and mysql2 the statement with its values, which can be those of a task's secret variables.
 */
function describeError(error: unknown): unknown {
  return withoutStatements(error instanceof Error ? stdSerializers.err(error) : error);
}

function withoutStatements(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutStatements);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]): [string, unknown][] => {
      if (name === 'sql' || name === 'args' || name === 'parameters') return [];
      return [[name, withoutStatements(one)]];
    }),
  );
}

/** Logs to standard error, one JSON object per line. */
export function createLog(options: { level: string; name: string }): Log {
  return pino(
    {
      level: options.level,
      name: options.name,
      redact: { paths: REDACTED, censor: '[redacted]' },
      serializers: { err: describeError },
    },
    pino.destination({ dest: 2, sync: false }),
  );
}
