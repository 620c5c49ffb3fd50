/** Operations on the call cache. */
import { pages } from './lists.ts';
import type { Client } from './operations.ts';
import { sendForJson, type Transport } from './send.ts';
import type { CacheEntryList, CacheExport } from './types.generated.ts';

type CallCache = Pick<
  Client,
  | 'explainCache'
  | 'explainScatterCache'
  | 'cromwellDiff'
  | 'cacheEntries'
  | 'cacheEntry'
  | 'cacheStats'
  | 'invalidateCache'
  | 'pruneCache'
  | 'exportCache'
>;

const explanationOf = (kind: 'tasks' | 'scatters', id: string): string =>
  `/v1/${kind}/${encodeURIComponent(id)}/cache-explanation`;

export function callCache(transport: Transport): CallCache {
  return {
    explainCache: (id, { other, signal } = {}) =>
      sendForJson(transport, { path: explanationOf('tasks', id), query: { other }, signal }),
    explainScatterCache: (id, { signal } = {}) =>
      sendForJson(transport, { path: explanationOf('scatters', id), signal }),
    cromwellDiff: (a, b, { signal } = {}) =>
      sendForJson(transport, { path: '/v1/cache/diff', query: { a, b }, signal }),
    async *cacheEntries({ signal, ...query } = {}) {
      const path = '/v1/cache/entries';
      for await (const { entries } of pages((page_token) =>
        sendForJson<CacheEntryList>(transport, { path, query: { ...query, page_token }, signal }),
      ))
        yield* entries;
    },
    cacheEntry: (task, { signal } = {}) =>
      sendForJson(transport, { path: `/v1/cache/entries/${encodeURIComponent(task)}`, signal }),
    cacheStats: ({ signal } = {}) => sendForJson(transport, { path: '/v1/cache/stats', signal }),
    invalidateCache: (which, { signal } = {}) =>
      sendForJson(transport, { method: 'POST', path: '/v1/cache:invalidate', json: which, signal }),
    pruneCache: (which, { signal } = {}) =>
      sendForJson(transport, { method: 'POST', path: '/v1/cache:prune', json: which, signal }),
    async *exportCache({ signal } = {}) {
      const path = '/v1/cache/export';
      for await (const { entries } of pages((page_token) =>
        sendForJson<CacheExport>(transport, { path, query: { page_token }, signal }),
      ))
        yield* entries;
    },
  };
}
