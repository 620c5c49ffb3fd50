/** Starts the API as a process does: opens what it needs, listens, and closes it all again. */
import type { Config } from '../config.ts';
import { describeCalls } from '../aws/calls.ts';
import { openObjectStore } from '../aws/s3.ts';
import { formatS3Url } from '../core/s3-url.ts';
import { openDatabase } from '../db/client.ts';
import { openQueues } from '../queues/queues.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { createApp } from './app.ts';

export interface RunningApi {
  /** http://host:port */
  url: string;
  /** Finishes the requests under way, then closes every connection. */
  close(): Promise<void>;
}

/** Rejects when the port is taken, or when an item of the configuration is wrong. */
export async function startApi(config: Config): Promise<RunningApi> {
  const log = createLog({ level: config.logLevel, name: 'api' });
  const metrics = createMetrics();
  const database = openDatabase({ url: config.databaseUrl, connections: config.databaseConnections });
  const queues = openQueues({ redisUrl: config.redisUrl, prefix: config.redisPrefix, keepFinishedMs: config.keepFinishedMs });
  const objects = openObjectStore({ metrics, pathStyle: config.s3PathStyle === 'yes' });
  const closeParts = async (): Promise<void> => {
    await Promise.allSettled([queues.close(), database.close()]);
    objects.close();
  };
  try {
    const app = await createApp({
      config, database, queues, log, metrics,
      readLogTail: (key, mostBytes) => objects.getTail(formatS3Url({ bucket: config.bucket, key: config.bucketPrefix + key }), mostBytes),
      describeCalls: (calls) => describeCalls(objects, calls),
      nowMs: () => Date.now(),
    });
    const url = await app.listen({ host: config.host, port: config.port });
    log.info({ event: 'listening', url }, 'listening');
    return {
      url,
      async close() {
        await app.close();
        await closeParts();
      },
    };
  } catch (error) {
    await closeParts();
    throw error;
  }
}
