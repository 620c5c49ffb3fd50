/** How much the processes of the fleet write into their logs, changed while they run. */
import { Type } from 'typebox';
import { forgetLogLevel, readLogLevel, storeLogLevel } from '../../queues/log-level.ts';
import { currentLogLevel, logLevels, setLogLevel, type LogLevel } from '../../telemetry/log.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { refusal } from '../http/errors.ts';
import { failures } from '../schemas/replies.ts';

const tags = ['Operations'];
const ADMIN = { scope: 'admin' } as const;
const MINUTE_MS = 60_000;
const LONGEST_MINUTES = 1440;

const LogLevelRequest = Type.Object({
  level: Type.Enum(logLevels),
  minutes: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: LONGEST_MINUTES,
      default: 15,
      description: 'How long it holds; then the configured level returns',
    }),
  ),
});

const LogLevelReply = Type.Object({
  level: Type.String({ description: 'Of this process' }),
  wanted: Type.Optional(
    Type.String({
      description: 'For all processes, which look every 5 s; absent when none is set',
    }),
  ),
});

const schema = (summary: string) => ({
  tags,
  summary,
  response: { 200: LogLevelReply, ...failures },
});

export function logLevelRoutes(api: Api, context: ApiContext): void {
  const { queues, config, log } = context;
  const show = async () => {
    const wanted = await readLogLevel(queues.redis, config.redisPrefix);
    return { level: currentLogLevel(), ...(wanted !== undefined && { wanted }) };
  };
  api.get('/log-level', { config: ADMIN, schema: schema('Get the level of the logs') }, async () =>
    show(),
  );
  api.post(
    '/log-level',
    {
      config: ADMIN,
      schema: {
        ...schema('Set the level of the logs of all processes for a while'),
        body: LogLevelRequest,
      },
    },
    async (request, reply) => {
      const read = readLevel(request.body);
      if ('problems' in read) return reply.code(400).send(refusal(read.problems));
      const { level, forMs } = read;
      await storeLogLevel(queues.redis, config.redisPrefix, { level, forMs });
      setLogLevel(level);
      log.info({ event: 'log-level', to: level, by: request.caller.access.owner }, 'log-level');
      return show();
    },
  );
  api.delete(
    '/log-level',
    { config: ADMIN, schema: schema('Return to the configured level') },
    async () => {
      await forgetLogLevel(queues.redis, config.redisPrefix);
      setLogLevel(undefined);
      return show();
    },
  );
}

const isLevel = (value: unknown): value is LogLevel => logLevels.some((level) => level === value);

function readLevel(
  body: unknown,
):
  | { level: LogLevel; forMs: number }
  | { problems: { field: string; expected: string; got: string }[] } {
  const { level, minutes = 15 } = (body ?? {}) as { level?: unknown; minutes?: unknown };
  if (!isLevel(level))
    return { problems: [{ field: 'level', expected: logLevels.join(', '), got: String(level) }] };
  const isTime =
    typeof minutes === 'number' &&
    Number.isInteger(minutes) &&
    minutes >= 1 &&
    minutes <= LONGEST_MINUTES;
  return isTime
    ? { level, forMs: minutes * MINUTE_MS }
    : {
        problems: [
          {
            field: 'minutes',
            expected: `a whole number from 1 to ${LONGEST_MINUTES}`,
            got: String(minutes),
          },
        ],
      };
}
