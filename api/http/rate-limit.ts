/**
 * Limits how often a token may POST. GET is never limited: Cromwell fails a call permanently when
 * one poll is refused.
 */
import rateLimit from '@fastify/rate-limit';
import { connectImpatientRedis } from '../../queues/connect.ts';
import { failure } from './errors.ts';
import type { Api, ApiDependencies } from '../dependencies.ts';

/** The configuration of a route that creates tasks, or costs as much. */
export const SUBMITS = { scope: 'submit', countsAsPost: true } as const;

/**
 * A task may hold file contents and long commands. A program larger than this belongs in an object.
 */
export const LARGEST_TASK_BYTES = 4 * 1024 ** 2;

declare module 'fastify' {
  interface FastifyContextConfig {
    countsAsPost?: boolean;
  }
}

const MINUTE_MS = 60_000;

/**
 * Counts in Redis, so that all API processes share one count. While Redis is unavailable there is
 * no limit.
 */
export async function limitPosts(
  app: Api,
  { config }: Pick<ApiDependencies, 'config'>,
): Promise<void> {
  if (config.postsPerMinute === 0) return;
  const redis = await connectImpatientRedis(config.redisUrl, config.redisPrefix);
  app.addHook('onRoute', (route) => {
    if (route.config?.countsAsPost) route.config.rateLimit = {};
  });
  await app.register(rateLimit, {
    global: false,
    max: config.postsPerMinute,
    timeWindow: MINUTE_MS,
    redis,
    nameSpace: `${config.redisPrefix}:posts:`,
    skipOnError: true,
    keyGenerator: (request) => request.caller.countedAs || request.ip,
    errorResponseBuilder: (_request, { after, max }) => ({
      statusCode: 429,
      ...failure(
        429,
        `This token has reached its limit of ${max} POST requests a minute. Try again in ${after}.`,
      ),
    }),
  });
  app.addHook('onClose', async () => redis.disconnect());
}
