/** Log lines are a constant event plus fields, and never contain secrets. */
import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino';
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
  // Of MySQL's errors: the whole statement, and with it the variables of tasks.
  'err.sql',
  'err.parameters',
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
      onChild: (child) => void loggers.add(child),
      name: options.name,
      redact: { paths: REDACTED, censor: '[redacted]' },
      serializers: { err: describeError },
      hooks: {
        logMethod(args, method, level) {
          const event = args.findLast((arg) => typeof arg === 'string') ?? '';
          if (level < WARN || limit.admits(event)) method.apply(this, args);
        },
      },
    },
    destination,
  );
  loggers.add(log);
  configured = options.level;
  return log;
}

/** Of this process, with their children: a child does not follow a change of its parent. */
const loggers = new Set<Logger>();
let configured = 'info';

/** Those of pino, from the fewest lines to the most. */
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof logLevels)[number];

/** For all of this process from now on; undefined for the configured one. */
export function setLogLevel(level: LogLevel | undefined): void {
  for (const logger of loggers) logger.level = level ?? configured;
}

export const currentLogLevel = (): string => loggers.values().next().value?.level ?? configured;
