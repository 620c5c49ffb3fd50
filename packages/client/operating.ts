/** Operations on the fleet, and retries of what failed. */
import type { Client } from './operations.ts';
import { sendForJson, type Call, type Transport } from './send.ts';
import { keyOf } from './submit-many.ts';
import type { LaidAsideMessage, WorkerStatus } from './types.generated.ts';

type Operating = Pick<
  Client,
  | 'retryScatter'
  | 'retryTask'
  | 'overview'
  | 'pauseStage'
  | 'resumeStage'
  | 'listWorkers'
  | 'drainWorker'
  | 'resumeWorker'
  | 'laidAside'
  | 'retryMessages'
>;

export function operating(transport: Transport): Operating {
  const post = <T>(path: string, call: Partial<Call>): Promise<T> =>
    sendForJson<T>(transport, { json: {}, ...call, method: 'POST', path });
  const act =
    (kind: 'stages' | 'workers', verb: string) =>
    async (id: string, { signal }: Pick<Call, 'signal'> = {}): Promise<void> =>
      void (await post(`/v1/${kind}/${encodeURIComponent(id)}:${verb}`, { signal }));
  return {
    retryScatter: async (id, { groups, idempotencyKey, signal } = {}) =>
      post(`/v1/scatters/${encodeURIComponent(id)}:retry`, {
        json: groups ? { groups } : {},
        idempotencyKey: keyOf(idempotencyKey),
        signal,
      }),
    retryTask: async (id, { idempotencyKey, signal } = {}) =>
      post(`/v1/tasks/${encodeURIComponent(id)}:retry`, {
        idempotencyKey: keyOf(idempotencyKey),
        signal,
      }),
    overview: ({ signal } = {}) => sendForJson(transport, { path: '/v1/overview', signal }),
    pauseStage: act('stages', 'pause'),
    resumeStage: act('stages', 'resume'),
    listWorkers: async ({ signal } = {}) =>
      (await sendForJson<{ workers: WorkerStatus[] }>(transport, { path: '/v1/workers', signal }))
        .workers,
    drainWorker: act('workers', 'drain'),
    resumeWorker: act('workers', 'resume'),
    laidAside: async ({ signal } = {}) =>
      (
        await sendForJson<{ messages: LaidAsideMessage[] }>(transport, {
          path: '/v1/messages',
          signal,
        })
      ).messages,
    retryMessages: async (which, { signal } = {}) =>
      (await post<{ retried: number }>('/v1/messages:retry', { json: which, signal })).retried,
  };
}
