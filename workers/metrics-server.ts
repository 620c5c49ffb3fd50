/** A worker's own small HTTP server: /metrics, /healthz, /readyz. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { stages } from '../core/places.ts';
import type { Fleet } from './fleet.ts';

export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

/** Port 0 takes a free one. */
export async function serveMetrics(fleet: Fleet, port: number): Promise<MetricsServer> {
  const server = createServer((request, reply) => {
    answer(fleet, request, reply).catch((error: unknown) => {
      fleet.log.error({ err: error }, 'metrics-request-failed');
      reply.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, fleet.config.metricsHost, resolve);
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

async function answer(fleet: Fleet, request: IncomingMessage, reply: ServerResponse): Promise<void> {
  if (request.url === '/metrics') {
    await readDepths(fleet);
    reply.writeHead(200, { 'content-type': fleet.metrics.registry.contentType }).end(await fleet.metrics.registry.metrics());
  } else if (request.url === '/healthz') {
    reply.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}');
  } else if (request.url === '/readyz') {
    const wrong = await whatIsAway(fleet);
    reply.writeHead(wrong.length === 0 ? 200 : 503, { 'content-type': 'application/json' }).end(JSON.stringify({ away: wrong }));
  } else {
    reply.writeHead(404).end();
  }
}

/** Queue depths are the same whichever worker is asked; they are read when somebody looks. */
async function readDepths(fleet: Fleet): Promise<void> {
  await Promise.all(
    stages.map(async (stage) => {
      const { oldestMs, ...counts } = await fleet.queues.depth(stage);
      for (const [state, count] of Object.entries(counts)) fleet.metrics.queueDepth.set({ stage, state }, count);
      fleet.metrics.queueOldestSeconds.set({ stage }, oldestMs / 1000);
    }),
  );
}

async function whatIsAway(fleet: Fleet): Promise<string[]> {
  const checks = await Promise.allSettled([fleet.database.pool.query('SELECT 1'), fleet.queues.redis.ping()]);
  return ['mysql', 'redis'].filter((_, position) => checks[position]?.status === 'rejected');
}
