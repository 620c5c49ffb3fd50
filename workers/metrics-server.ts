/** A worker's own small HTTP server: /metrics, /healthz, /readyz. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { stages } from '../core/places.ts';
import { requirePrimaryNow } from '../db/client.ts';
import { pingRedis } from '../queues/connect.ts';
import { checkDependencies, reportConnections } from '../telemetry/dependencies.ts';
import type { Runtime } from './runtime.ts';

export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

/** Port 0 takes a free one. */
export async function serveMetrics(runtime: Runtime, port: number): Promise<MetricsServer> {
  const server = createServer((request, reply) => {
    answer(runtime, request, reply).catch((error: unknown) => {
      runtime.log.error({ err: error }, 'metrics-request-failed');
      reply.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, runtime.config.metricsHost, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  runtime: Runtime,
  request: IncomingMessage,
  reply: ServerResponse,
): Promise<void> {
  if (request.url === '/metrics') {
    const { redis } = await look(runtime);
    if (redis === '') await readDepths(runtime);
    else forgetDepths(runtime);
    reportConnections(runtime.metrics, runtime.database.connections());
    reply
      .writeHead(200, { 'content-type': runtime.metrics.registry.contentType })
      .end(await runtime.metrics.registry.metrics());
  } else if (request.url === '/healthz') {
    reply.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}');
  } else if (request.url === '/readyz') {
    const wrong = Object.entries(await look(runtime)).flatMap(([name, trouble]) =>
      trouble === '' ? [] : [name],
    );
    reply
      .writeHead(wrong.length === 0 ? 200 : 503, { 'content-type': 'application/json' })
      .end(JSON.stringify({ away: wrong }));
  } else {
    reply.writeHead(404).end();
  }
}

/** Queue depths are the same in every worker; they are read on request. */
async function readDepths(runtime: Runtime): Promise<void> {
  await Promise.all(
    stages.map(async (stage) => {
      const { oldestMs, ...counts } = await runtime.queues.depth(stage);
      for (const [state, count] of Object.entries(counts))
        runtime.metrics.queueDepth.set({ stage, state }, count);
      runtime.metrics.queueOldestSeconds.set({ stage }, oldestMs / 1000);
    }),
  );
}

/** A depth of an hour ago would look like a queue that makes no progress. */
function forgetDepths({ metrics }: Runtime): void {
  metrics.queueDepth.reset();
  metrics.queueOldestSeconds.reset();
}

const look = ({ database, queues, metrics }: Runtime) =>
  checkDependencies(
    { mysql: () => requirePrimaryNow(database), redis: () => pingRedis(queues.redis) },
    metrics,
  );
