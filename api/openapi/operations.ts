/**
 * The name of every operation in /openapi.json. Generated clients take their functions' names from
 * these, so a name never changes; those of TES are the specification's.
 */

/** By method and path, without the prefix under which the routes of TES are found more than once. */
const ofTes: Readonly<Record<string, string>> = {
  'get /service-info': 'GetServiceInfo',
  'get /tasks/service-info': 'GetServiceInfoOfTes10',
  'post /tasks': 'CreateTask',
  'get /tasks': 'ListTasks',
  'get /tasks/{id}': 'GetTask',
  'post /tasks/{id}:cancel': 'CancelTask',
  'delete /tasks/{id}:cancel': 'CancelTaskByDelete',
};

const prefixes: readonly (readonly [prefix: string, suffix: string])[] = [
  ['/ga4gh/tes/v1', ''],
  ['/t/{token}/ga4gh/tes/v1', 'WithTokenInPath'],
  ['/v1', 'V1'],
];

const own: Readonly<Record<string, string>> = {
  'get /healthz': 'GetHealth',
  'get /readyz': 'GetReadiness',
  'get /metrics': 'GetMetrics',
  'post /v1/scatters': 'CreateScatter',
  'get /v1/scatters': 'ListScatters',
  'get /v1/scatters/{id}': 'GetScatter',
  'get /v1/scatters/{id}/tasks': 'ListScatterTasks',
  'post /v1/scatters/{id}:cancel': 'CancelScatter',
  'delete /v1/scatters/{id}:cancel': 'CancelScatterByDelete',
  'get /v1/scatters/{id}/cache-explanation': 'ExplainScatterCache',
  'get /v1/tasks/{id}/logs': 'GetTaskLogs',
  'get /v1/tasks/{id}/script': 'GetTaskScript',
  'get /v1/tasks/{id}/timeline': 'GetTaskTimeline',
  'get /v1/tasks/{id}/usage': 'GetTaskUsage',
  'get /v1/tasks/{id}/cache-explanation': 'ExplainTaskCache',
  'post /v1/tasks:cancel': 'CancelTasks',
  'post /v1/tasks:validate': 'ValidateTask',
  'get /v1/events': 'FollowEvents',
  'get /v1/cache/entries': 'ListCacheEntries',
  'get /v1/cache/entries/{id}': 'GetCacheEntry',
  'get /v1/cache/stats': 'GetCacheStats',
  'get /v1/cache/diff': 'DiffCalls',
  'get /v1/cache/export': 'ExportCacheEntries',
  'post /v1/cache:invalidate': 'InvalidateCacheEntries',
  'post /v1/cache:prune': 'PruneCacheEntries',
  'post /v1/tokens': 'CreateToken',
  'get /v1/tokens': 'ListTokens',
  'delete /v1/tokens/{id}': 'RevokeToken',
  'get /v1/log-level': 'GetLogLevel',
  'post /v1/log-level': 'SetLogLevel',
  'delete /v1/log-level': 'ResetLogLevel',
  'post /v1/webhooks': 'CreateWebhook',
  'get /v1/webhooks': 'ListWebhooks',
  'delete /v1/webhooks/{id}': 'DeleteWebhook',
  'post /v1/webhooks/{id}:ping': 'PingWebhook',
  'get /v1/webhooks/{id}/deliveries': 'ListDeliveries',
  'post /v1/webhooks/{id}/deliveries/{delivery}:redeliver': 'Redeliver',
  'get /v1/session': 'GetSession',
  'get /v1/overview': 'GetOverview',
  'get /v1/summaries': 'ListSummaries',
  'get /v1/summaries/oldest': 'ListOldestSummaries',
  'get /v1/tasks/{id}/summary': 'GetTaskSummary',
  'get /v1/failures': 'ListFailures',
  'get /v1/scatters/{id}/steps': 'GetScatterSteps',
  'post /v1/scatters/{id}:retry': 'RetryScatter',
  'post /v1/tasks/{id}:retry': 'RetryTask',
  'post /v1/stages/{stage}:pause': 'PauseStage',
  'post /v1/stages/{stage}:resume': 'ResumeStage',
  'get /v1/workers': 'ListWorkers',
  'post /v1/workers/{id}:drain': 'DrainWorker',
  'post /v1/workers/{id}:resume': 'ResumeWorker',
  'get /v1/messages': 'ListLaidAsideMessages',
  'post /v1/messages:retry': 'RetryMessages',
};

/** @param path as in the document; undefined for an operation that nobody has named */
export function operationIdOf(method: string, path: string): string | undefined {
  const named = own[`${method} ${path}`];
  if (named !== undefined) return named;
  for (const [prefix, suffix] of prefixes) {
    const tes = path.startsWith(prefix)
      ? ofTes[`${method} ${path.slice(prefix.length)}`]
      : undefined;
    if (tes !== undefined) return tes + suffix;
  }
  return undefined;
}

/** The operation of which another one is a second way: they share their examples. */
export const sameAs = (operationId: string): string =>
  operationId.replace(/(?:WithTokenInPath|V1)$/, '');
