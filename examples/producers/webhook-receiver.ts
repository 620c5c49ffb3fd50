/**
 * Receives a notification when tasks and scatters end, and accepts only signed ones. Any Standard
 * Webhooks library can check the signature; this example does it without one.
 *
 *   SECRET=whsec_… PORT=9000 node examples/producers/webhook-receiver.ts
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const { SECRET = '', PORT = '9000' } = process.env;
if (!SECRET.startsWith('whsec_'))
  throw new Error('SECRET: expected the secret that `batchwell webhook create` printed, whsec_…');
const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
const OLDEST_S = 300;

function isSigned(headers: IncomingHttpHeaders, body: string): boolean {
  const {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures,
  } = headers as Record<string, string>;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= OLDEST_S)) return false;
  const expected = Buffer.from(
    `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return (signatures ?? '')
    .split(' ')
    .some((one) => one.length === expected.length && timingSafeEqual(Buffer.from(one), expected));
}

/**
 * Deliveries come at least once, so repeated ones are skipped. Store these ids in the transaction
 * of your own work.
 */
const seen = new Set<string>();

const server = createServer(async (request, response) => {
  const body = await text(request);
  if (!isSigned(request.headers, body)) return void response.writeHead(401).end();
  const id = String(request.headers['webhook-id']);
  if (!seen.has(id)) {
    const { type, data } = JSON.parse(body) as {
      type: string;
      data: { tasks?: { task: string; state: string }[]; id?: string; states?: unknown };
    };
    for (const { task, state } of data.tasks ?? []) console.log(`${task} ${state}`);
    if (type === 'scatter.ended')
      console.log(`${data.id} has ended: ${JSON.stringify(data.states)}`);
    if (type === 'ping') console.log('ping');
    seen.add(id);
  }
  // Answer within 10 seconds; otherwise the delivery counts as failed.
  response.writeHead(204).end();
});
server.listen(Number(PORT), '127.0.0.1', () =>
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.close());
