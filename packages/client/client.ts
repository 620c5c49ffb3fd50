/** Batchwell over HTTP, for services that enqueue tasks. README.md begins with an example. */
import { followEvents } from './follow-events.ts';
import { followLog } from './follow-log.ts';
import { allTasks, pages, readTasks } from './lists.ts';
import { keyOf, submitLines, submitMany } from './submit-many.ts';
import type { Client, TaskOf, WaitOptions } from './operations.ts';
import { mostWaiting, openLine, type ClientOptions } from './options.ts';
import { readJson, send, sendForJson, type Call, type Line } from './send.ts';
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

/** Nothing is sent yet, and nothing has to be closed. Throws a TypeError for options that cannot be. */
export function openClient(options: ClientOptions): Client {
  const line = openLine(options);
  return {
    url: line.url,
    ...submissions(line),
    ...looks(line),
    ...waits(line, mostWaiting(options)),
    events: (of, options) => followEvents(line, eventQuery(of), options ?? {}),
    ...insights(line),
    ...tokens(line),
    ...webhooks(line),
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

function submissions(line: Line): Submissions {
  const post = <T>(path: string, call: Partial<Call>): Promise<T> =>
    sendForJson<T>(line, { ...call, method: 'POST', path });
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
    submitMany: (tasks, options) => submitMany(line, tasks, options),
    submitLines: (lines, options) => submitLines(line, lines, options),
    validate: (task, { signal } = {}) => post('/v1/tasks:validate', { json: task, signal }),
    cancel: async (id, { signal } = {}) =>
      void (await post(`${taskPath(id)}:cancel`, { json: {}, signal })),
    cancelMany: (which, { signal } = {}) => post('/v1/tasks:cancel', { json: which, signal }),
  };
}

type Looks = Pick<Client, 'get' | 'list' | 'listAll' | 'scatter' | 'scatterTasks' | 'listScatters'>;

function looks(line: Line): Looks {
  return {
    get: (id, { view, signal } = {}) =>
      sendForJson(line, { path: taskPath(id), query: { view }, signal }),
    list: (filter) => readTasks(line, `${TES}/tasks`, filter),
    listAll: (filter) => allTasks(line, `${TES}/tasks`, filter),
    scatter: (id, { signal } = {}) => sendForJson(line, { path: scatterPath(id), signal }),
    scatterTasks: (id, filter) => allTasks(line, `${scatterPath(id)}/tasks`, filter),
    async *listScatters({ signal } = {}) {
      for await (const { scatters } of pages((page_token) =>
        sendForJson<ScatterList>(line, { path: '/v1/scatters', query: { page_token }, signal }),
      ))
        yield* scatters;
    },
  };
}

function waits(line: Line, mostAtOnce: number): Pick<Client, 'waitFor' | 'waitForScatter'> {
  let waiters = 0;
  return {
    waitFor: <V extends View = 'FULL'>(
      id: string,
      { signal: given, timeoutMs, view }: WaitOptions & { view?: V | undefined } = {},
    ) =>
      within(timeoutMs, given, async (signal) => {
        const get = () =>
          sendForJson<TaskOf<V>>(line, {
            path: taskPath(id),
            query: { view: view ?? 'FULL' },
            signal,
          });
        const look = async () => {
          const seconds = lookSeconds(waiters, mostAtOnce);
          const answer = await send(line, {
            path: taskPath(id),
            query: { wait: `${seconds}s` },
            signal,
            waitMs: seconds * 1000,
          });
          return {
            state: readJson<TesTaskMinimal>(line, answer).state,
            isLastKnown: answer.headers.has('x-batchwell-last-known'),
          };
        };
        waiters += 1;
        return waitForTask({ look, get, sleep: line.sleep, signal }).finally(() => {
          waiters -= 1;
        });
      }),
    waitForScatter: (id, { signal: given, timeoutMs } = {}) =>
      within(timeoutMs, given, (signal) =>
        waitUntilEnded(
          () => sendForJson(line, { path: scatterPath(id), signal }),
          line.sleep,
          signal,
        ),
      ),
  };
}

function insights(
  line: Line,
): Pick<Client, 'logs' | 'followLog' | 'script' | 'timeline' | 'explainCache' | 'serviceInfo'> {
  return {
    logs: async (id, { stream, executor, tailBytes, signal } = {}) =>
      (
        await send(line, {
          path: `${ownPath(id)}/logs`,
          query: { stream, executor, tail_bytes: tailBytes },
          signal,
        })
      ).text,
    followLog: (id, options) => followLog(line, `${ownPath(id)}/logs`, options),
    script: async (id, { signal } = {}) =>
      (await send(line, { path: `${ownPath(id)}/script`, signal })).text,
    timeline: (id, { signal } = {}) =>
      sendForJson(line, { path: `${ownPath(id)}/timeline`, signal }),
    explainCache: (id, { other, signal } = {}) =>
      sendForJson(line, { path: `${ownPath(id)}/cache-explanation`, query: { other }, signal }),
    serviceInfo: ({ signal } = {}) => sendForJson(line, { path: `${TES}/service-info`, signal }),
  };
}

function tokens(line: Line): Pick<Client, 'createToken' | 'listTokens' | 'revokeToken'> {
  return {
    createToken: (rights, { signal } = {}) =>
      sendForJson(line, { method: 'POST', path: '/v1/tokens', json: rights, signal }),
    listTokens: async ({ signal } = {}) =>
      (await sendForJson<{ tokens: TokenReply[] }>(line, { path: '/v1/tokens', signal })).tokens,
    revokeToken: async (id, { signal } = {}) =>
      void (await send(line, { method: 'DELETE', path: `/v1/tokens/${id}`, signal })),
  };
}

type Webhooks = Pick<
  Client,
  'createWebhook' | 'listWebhooks' | 'deleteWebhook' | 'pingWebhook' | 'deliveries' | 'redeliver'
>;

function webhooks(line: Line): Webhooks {
  const post = (path: string, signal: AbortSignal | undefined) =>
    send(line, { method: 'POST', path: `/v1/webhooks/${path}`, json: {}, signal });
  return {
    createWebhook: (wants, { signal } = {}) =>
      sendForJson(line, { method: 'POST', path: '/v1/webhooks', json: wants, signal }),
    listWebhooks: async ({ signal } = {}) =>
      (await sendForJson<{ webhooks: WebhookReply[] }>(line, { path: '/v1/webhooks', signal }))
        .webhooks,
    deleteWebhook: async (id, { signal } = {}) =>
      void (await send(line, { method: 'DELETE', path: `/v1/webhooks/${id}`, signal })),
    pingWebhook: async (id, { signal } = {}) => void (await post(`${id}:ping`, signal)),
    async *deliveries(id, { state, signal } = {}) {
      for await (const { deliveries } of pages((page_token) =>
        sendForJson<DeliveryList>(line, {
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
