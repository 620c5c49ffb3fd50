/** Log lines are a constant event plus fields, and never contain secrets. */
import { pino, type Logger } from 'pino';

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
  // Of MySQL's errors: the whole statement, and with it the variables of tasks.
  'err.sql',
  'err.parameters',
];

/** Logs to standard error, one JSON object per line. */
export function createLog(options: { level: string; name: string }): Log {
  return pino(
    { level: options.level, name: options.name, redact: { paths: REDACTED, censor: '[redacted]' } },
    pino.destination({ dest: 2, sync: false }),
  );
}
