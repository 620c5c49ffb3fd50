/**
 * The last replies about tasks, used while the database is unavailable: Cromwell fails a call
 * permanently when a poll returns anything other than 2xx. In memory and bounded; the least
 * recently used are dropped first.
 */
import { forgetOldest } from '../../core/forget-oldest.ts';
import { databaseAway } from '../../core/waiting/waiting.ts';
import { waitingMetadata } from './view.ts';
import type { TesTaskFull, TesTaskMinimal, View } from '../schemas/tes.ts';

export interface LastKnownViews {
  remember(owner: string, view: View, body: TesTaskFull | TesTaskMinimal, nowMs: number): void;
  /** The requested view, or else the state alone. */
  recall(
    owner: string,
    view: View,
    id: string,
  ): { body: TesTaskFull | TesTaskMinimal; seenMs: number } | undefined;
}

/** About 200 bytes each. */
const MOST_STATES = 50_000;
/** A body with its logs can have about 100 kB. */
const MOST_BODIES = 200;

interface LastKnownView {
  owner: string;
  body: TesTaskFull | TesTaskMinimal;
  seenMs: number;
}

export function createLastKnownViews(): LastKnownViews {
  const states = new Map<string, LastKnownView>();
  const bodies = new Map<string, LastKnownView>();
  const keep = (
    map: Map<string, LastKnownView>,
    most: number,
    key: string,
    value: LastKnownView,
  ): void => {
    map.delete(key);
    map.set(key, value);
    forgetOldest(map, most);
  };
  return {
    remember(owner, view, body, nowMs) {
      keep(states, MOST_STATES, body.id, {
        owner,
        body: { id: body.id, state: body.state },
        seenMs: nowMs,
      });
      if (view !== 'MINIMAL')
        keep(bodies, MOST_BODIES, `${view} ${body.id}`, { owner, body, seenMs: nowMs });
    },
    recall(owner, view, id) {
      const found =
        (view === 'MINIMAL' ? undefined : bodies.get(`${view} ${id}`)) ?? states.get(id);
      return found?.owner === owner ? found : undefined;
    },
  };
}

const ENDED: ReadonlySet<string> = new Set([
  'COMPLETE',
  'EXECUTOR_ERROR',
  'SYSTEM_ERROR',
  'CANCELED',
  'PREEMPTED',
]);

/** Says in the metadata of its log that the database is away; a task that has ended is as it was. */
export function withDatabaseAway(
  body: TesTaskFull | TesTaskMinimal,
  sinceMs: number,
  nowMs: number,
): TesTaskFull | TesTaskMinimal {
  if (!('logs' in body) || ENDED.has(body.state)) return body;
  const metadata = waitingMetadata(databaseAway(sinceMs, nowMs));
  const logs = body.logs.length === 0 ? [{ logs: [], outputs: [] }] : body.logs;
  return {
    ...body,
    logs: logs.map((log) => ({ ...log, metadata: { ...log.metadata, ...metadata } })),
  };
}
