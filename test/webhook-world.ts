/** An API and a runtime that deliver webhooks to a receiver of the test, with a clock that can be set. */
import { expect } from 'vitest';
import { startReader } from '../db/webhooks.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { openRuntime, type Runtime } from '../workers/runtime.ts';
import { noteDeliveries } from '../workers/upkeep/webhooks/note.ts';
import { sendDue } from '../workers/upkeep/webhooks/send.ts';
import { jsonAs, startApiWorld, type Answer, type ApiWorld } from './api-world.ts';
import { startReceiver, type Received, type Receiver } from './receiver.ts';

export interface WebhookWorld {
  receiver: Receiver;
  api: ApiWorld;
  runtime: Runtime;
  /** Moves the clock of the API and the runtime forward. */
  advance(ms: number): void;
  /** Forgets webhooks, deliveries and what the receiver got, and resets the clock. */
  reset(): Promise<void>;
  /** Calls the API as ann, or as somebody else. */
  call(method: string, path: string, body?: unknown, who?: string): Promise<Answer>;
  /** Creates a webhook. */
  make(wants: object, who?: string): Promise<{ id: number; secret: string }>;
  /** Creates a task. Returns its id. */
  post(tags?: Record<string, string>): Promise<string>;
  /** Does all that the workers have to do for webhooks now. */
  deliver(): Promise<void>;
  deliveries(id: number, query?: string): Promise<DeliveryPage>;
  close(): Promise<void>;
}

interface DeliveryPage {
  deliveries: { id: number; state: string; tries: number; outcome?: string; next_try?: string }[];
  next_page_token?: string;
}

export const tasksOf = ({ body }: Received): string[] =>
  JSON.parse(body).data.tasks.map(({ task }: { task: string }) => task);

export async function startWebhookWorld(): Promise<WebhookWorld> {
  let clockMs = 0;
  const nowMs = () => Date.now() + clockMs;
  const receiver = await startReceiver();
  const settings = {
    tokens: ['ann:ann-token', 'bob:bob-token'],
    webhookOrigins: [receiver.origin, 'https://hooks.example.org'],
    webhookKey: 'k'.repeat(32),
  };
  const api = await startApiWorld(settings, undefined, nowMs);
  const log = createLog({ level: 'silent', name: 'test' });
  const runtime = await openRuntime({ config: api.config, metrics: createMetrics(), log, nowMs });
  await startReader(runtime.database.pool);
  const call: WebhookWorld['call'] = (method, path, body, who = 'ann') =>
    api.call(method, path, body, { authorization: `Bearer ${who}-token` });
  return {
    receiver,
    api,
    runtime,
    call,
    advance: (ms) => void (clockMs += ms),
    async reset() {
      clockMs = 0;
      receiver.received.length = 0;
      receiver.answers.clear();
      for (const table of ['webhooks', 'webhook_deliveries'])
        await api.database.pool.query(`DELETE FROM ${table}`);
    },
    async make(wants, who) {
      const answer = await call('POST', '/v1/webhooks', wants, who);
      expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('whsec_')]);
      return jsonAs<{ id: number; secret: string }>(answer);
    },
    async post(tags = {}) {
      const task = { name: 'one', tags, executors: [{ image: 'alpine', command: ['true'] }] };
      return (await call('POST', '/v1/tasks', task)).json.id;
    },
    async deliver() {
      while (await noteDeliveries(runtime));
      while ((await sendDue(runtime)) > 0);
    },
    deliveries: async (id, query = '') =>
      jsonAs<DeliveryPage>(await call('GET', `/v1/webhooks/${id}/deliveries${query}`)),
    async close() {
      await runtime.close();
      await api.close();
      receiver.close();
    },
  };
}
