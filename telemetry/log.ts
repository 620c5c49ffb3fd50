/** Log lines are a constant event plus fields; secrets never get in. */
import { pino, type Logger } from 'pino';

export type Log = Logger;

/** Paths that may hold secrets, in whatever object is logged. */
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

/** A logger to standard error, one JSON object a line. */
export function createLog(options: { level: string; name: string }): Log {
  return pino(
    { level: options.level, name: options.name, redact: { paths: REDACTED, censor: '[redacted]' } },
    pino.destination({ dest: 2, sync: false }),
  );
}
