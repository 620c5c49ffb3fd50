/**
 * The client of Batchwell's HTTP API, for services that submit tasks. README.md begins with an
 * example; operations.ts documents every operation.
 */
import { callCache } from './call-cache.ts';
import { followEvents } from './follow-events.ts';
import { followLog } from './follow-log.ts';
import { allTasks, pages, readTasks } from './lists.ts';
import { operating } from './operating.ts';
import { keyOf, submitLines, submitMany } from './submit-many.ts';
import type { Client, TaskOf, WaitOptions } from './operations.ts';
import { mostWaiting, openTransport, type ClientOptions } from './options.ts';
import { readJson, send, sendForJson, type Call, type Transport } from './send.ts';
import type {
  DeliveryList,
  ScatterList,
  TesTaskMinimal,
  TokenReply,
  View,
  WebhookReply,
} from './types.generated.ts';
import { lookSeconds, waitForTask, waitUntilEnded } from './waiting.ts';
import { within } from './within.ts';

export { BatchwellError } from './errors.ts';
export type { BatchwellEvent } from './follow-events.ts';
export { finalLog } from './final-log.ts';
export { hasEnded } from './waiting.ts';
export type { ClientOptions, RetryOptions } from './options.ts';
export type * from './operations.ts';
export type * from './types.generated.ts';

const TES = '/ga4gh/tes/v1';
const taskPath = (id: string): string => `${TES}/tasks/${encodeURIComponent(id)}`;
const ownPath = (id: string): string => `/v1/tasks/${encodeURIComponent(id)}`;
const scatterPath = (id: string): string => `/v1/scatters/${encodeURIComponent(id)}`;

/**
 * Opens a client. It sends nothing yet and does not have to be closed. Use one client for a whole
 * process, so that its limits hold for all calls. Throws a TypeError if an option is not valid.
 */
export function openClient(options: ClientOptions): Client {
  const transport = openTransport(options);
  return {
    url: transport.url,
    ...submissions(transport),
    ...looks(transport),
    ...waits(transport, mostWaiting(options)),
    events: (of, options) => followEvents(transport, eventQuery(of), options ?? {}),
    ...insights(transport),
    ...callCache(transport),
    ...tokens(transport),
    ...webhooks(transport),
    ...operating(transport),
  };
}

function eventQuery(of: Parameters<Client['events']>[0] = { tags: {} }): Call['query'] {
  if (!('tags' in of)) return of;
  return { tag_key: Object.keys(of.tags), tag_value: Object.values(of.tags) };
}

type Submissions = Pick<
  Client,
  'submit' | 'submitScatter' | 'submitMany' | 'submitLines' | 'validate' | 'cancel' | 'cancelMany'
>;

function submissions(transport: Transport): Submissions {
  const post = <T>(path: string, call: Partial<Call>): Promise<T> =>
    sendForJson<T>(transport, { ...call, method: 'POST', path });
  return {
    submit: async (task, { idempotencyKey, signal } = {}) =>
      post(`${TES}/tasks`, { json: task, idempotencyKey: keyOf(idempotencyKey), signal }),
    submitScatter: async (scatter, { ids, idempotencyKey, signal } = {}) =>
      post('/v1/scatters', {
        query: { ids },
        json: scatter,
        idempotencyKey: keyOf(idempotencyKey),
        signal,
      }),
    submitMany: (tasks, options) => submitMany(transport, tasks, options),
    submitLines: (lines, options) => submitLines(transport, lines, options),
    validate: (task, { signal } = {}) => post('/v1/tasks:validate', { json: task, signal }),
    cancel: async (id, { signal } = {}) =>
      void (await post(`${taskPath(id)}:cancel`, { json: {}, signal })),
    cancelMany: (which, { signal } = {}) => post('/v1/tasks:cancel', { json: which, signal }),
  };
}

type Looks = Pick<
  Client,
  'get' | 'list' | 'listAll' | 'scatter' | 'scatterTasks' | 'failures' | 'listScatters'
>;

function looks(transport: Transport): Looks {
  return {
    get: (id, { view, signal } = {}) =>
      sendForJson(transport, { path: taskPath(id), query: { view }, signal }),
    list: (filter) => readTasks(transport, `${TES}/tasks`, filter),
    listAll: (filter) => allTasks(transport, `${TES}/tasks`, filter),
    scatter: (id, { signal } = {}) => sendForJson(transport, { path: scatterPath(id), signal }),
    scatterTasks: (id, filter) => allTasks(transport, `${scatterPath(id)}/tasks`, filter),
    failures: (of = { hours: 24 }, { signal } = {}) =>
      sendForJson(transport, { path: '/v1/failures', query: of, signal }),
    async *listScatters({ signal } = {}) {
      for await (const { scatters } of pages((page_token) =>
        sendForJson<ScatterList>(transport, {
          path: '/v1/scatters',
          query: { page_token },
          signal,
        }),
      ))
        yield* scatters;
    },
  };
}

function waits(
  transport: Transport,
  mostAtOnce: number,
): Pick<Client, 'waitFor' | 'waitForScatter'> {
  let waiters = 0;
  return {
    waitFor: <V extends View = 'FULL'>(
      id: string,
      { signal: given, timeoutMs, view }: WaitOptions & { view?: V | undefined } = {},
    ) =>
      within(timeoutMs, given, async (signal) => {
        const get = () =>
          sendForJson<TaskOf<V>>(transport, {
            path: taskPath(id),
            query: { view: view ?? 'FULL' },
            signal,
          });
        const look = async () => {
          const seconds = lookSeconds(waiters, mostAtOnce);
          const answer = await send(transport, {
            path: taskPath(id),
            query: { wait: `${seconds}s` },
            signal,
            waitMs: seconds * 1000,
          });
          return {
            state: readJson<TesTaskMinimal>(transport, answer).state,
            isLastKnown: answer.headers.has('x-batchwell-last-known'),
          };
        };
        waiters += 1;
        return waitForTask({ look, get, sleep: transport.sleep, signal }).finally(() => {
          waiters -= 1;
        });
      }),
    waitForScatter: (id, { signal: given, timeoutMs } = {}) =>
      within(timeoutMs, given, (signal) =>
        waitUntilEnded(
          () => sendForJson(transport, { path: scatterPath(id), signal }),
          transport.sleep,
          signal,
        ),
      ),
  };
}

function insights(
  transport: Transport,
): Pick<Client, 'logs' | 'followLog' | 'script' | 'timeline' | 'usage' | 'serviceInfo'> {
  return {
    logs: async (id, { stream, executor, tailBytes, signal } = {}) =>
      (
        await send(transport, {
          path: `${ownPath(id)}/logs`,
          query: { stream, executor, tail_bytes: tailBytes },
          signal,
        })
      ).text,
    followLog: (id, options) => followLog(transport, `${ownPath(id)}/logs`, options),
    script: async (id, { signal } = {}) =>
      (await send(transport, { path: `${ownPath(id)}/script`, signal })).text,
    timeline: (id, { signal } = {}) =>
      sendForJson(transport, { path: `${ownPath(id)}/timeline`, signal }),
    usage: (id, { signal } = {}) =>
      sendForJson(transport, { path: `${ownPath(id)}/usage`, signal }),
    serviceInfo: ({ signal } = {}) =>
      sendForJson(transport, { path: `${TES}/service-info`, signal }),
  };
}

function tokens(transport: Transport): Pick<Client, 'createToken' | 'listTokens' | 'revokeToken'> {
  return {
    createToken: (rights, { signal } = {}) =>
      sendForJson(transport, { method: 'POST', path: '/v1/tokens', json: rights, signal }),
    listTokens: async ({ signal } = {}) =>
      (await sendForJson<{ tokens: TokenReply[] }>(transport, { path: '/v1/tokens', signal }))
        .tokens,
    revokeToken: async (id, { signal } = {}) =>
      void (await send(transport, { method: 'DELETE', path: `/v1/tokens/${id}`, signal })),
  };
}

type Webhooks = Pick<
  Client,
  'createWebhook' | 'listWebhooks' | 'deleteWebhook' | 'pingWebhook' | 'deliveries' | 'redeliver'
>;

function webhooks(transport: Transport): Webhooks {
  const post = (path: string, signal: AbortSignal | undefined) =>
    send(transport, { method: 'POST', path: `/v1/webhooks/${path}`, json: {}, signal });
  return {
    createWebhook: (wants, { signal } = {}) =>
      sendForJson(transport, { method: 'POST', path: '/v1/webhooks', json: wants, signal }),
    listWebhooks: async ({ signal } = {}) =>
      (await sendForJson<{ webhooks: WebhookReply[] }>(transport, { path: '/v1/webhooks', signal }))
        .webhooks,
    deleteWebhook: async (id, { signal } = {}) =>
      void (await send(transport, { method: 'DELETE', path: `/v1/webhooks/${id}`, signal })),
    pingWebhook: async (id, { signal } = {}) => void (await post(`${id}:ping`, signal)),
    async *deliveries(id, { state, signal } = {}) {
      for await (const { deliveries } of pages((page_token) =>
        sendForJson<DeliveryList>(transport, {
          path: `/v1/webhooks/${id}/deliveries`,
          query: { state, page_token },
          signal,
        }),
      ))
        yield* deliveries;
    },
    redeliver: async (id, delivery, { signal } = {}) =>
      void (await post(`${id}/deliveries/${delivery}:redeliver`, signal)),
  };
}
