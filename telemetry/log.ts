/** Log lines are a constant event plus fields, and never contain secrets. */
import { pino, type DestinationStream, type Logger } from 'pino';
import { createLineLimit } from './line-limit.ts';

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

const WARN = 40;

/**
 * Logs to standard error, one JSON object per line. Of each event from `warn` up, 30 lines a minute
 * are written, and then how many were left out.
 */
export function createLog(
  options: { level: string; name: string },
  destination: DestinationStream = pino.destination({ dest: 2, sync: false }),
): Log {
  const limit = createLineLimit((of, lines) =>
    log.warn({ event: 'lines-left-out', of, lines }, 'lines-left-out'),
  );
  const log = pino(
    {
      level: options.level,
      name: options.name,
      redact: { paths: REDACTED, censor: '[redacted]' },
      hooks: {
        logMethod(args, method, level) {
          const event = args.findLast((arg) => typeof arg === 'string') ?? '';
          if (level < WARN || limit.admits(event)) method.apply(this, args);
        },
      },
    },
    destination,
  );
  return log;
}
