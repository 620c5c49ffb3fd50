/** What the operations work on. */
import type { Faults } from '../faults.ts';
import type { Definitions } from './definitions.ts';
import type { Engine } from './engine.ts';
import { clientException, type Refusal, type Reply } from './errors.ts';
import type { JobStore } from './job-store.ts';
import type { Journal } from './journal.ts';
import type { JobQueue, Queues } from './queues.ts';

/** How long eventual consistency lasts. */
export interface LagMs {
  /** How long SubmitJob does not know a new definition. */
  definitionMs: number;
  /** How long ListJobs does not show a new job. */
  listMs: number;
}

export interface BatchContext {
  region: string;
  accountId: string;
  minTimeoutSeconds: number;
  lag: LagMs;
  store: JobStore;
  definitions: Definitions;
  queues: Queues;
  engine: Engine;
  journal: Journal;
  faults: Faults;
  nowMs: () => number;
}

/** The request has been checked against the service model; the reply will be. */
export type Handler = (context: BatchContext, request: Record<string, unknown>) => Reply;

/** The request as its operation reads it: the service model has checked its shape. */
export const requestAs = <Request>(checked: unknown): Request => checked as Request;

export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** `kind` as in `job-queue/name`. */
export function arnOf({ region, accountId }: BatchContext, kind: string, name: string): string {
  return `arn:aws:batch:${region}:${accountId}:${kind}/${name}`;
}

/** The last part of an ARN of that kind, or the text itself when it is not an ARN. */
export function nameOf(kind: string, reference: string): string {
  const marker = `:${kind}/`;
  const at = reference.startsWith('arn:') ? reference.indexOf(marker) : -1;
  return at < 0 ? reference : reference.slice(at + marker.length);
}

/** A queue by name or ARN. */
export function findQueue({ queues }: BatchContext, reference: string): JobQueue | Refusal {
  return (
    queues.get(nameOf('job-queue', reference)) ??
    clientException(`JobQueue ${reference} not found.`)
  );
}

/** How long a fault or the setting hides what `operation` has just made. */
export function lagFor(
  context: BatchContext,
  operation: 'RegisterJobDefinition' | 'SubmitJob',
  subject: string,
): number {
  const fault = context.faults.next('batch', operation, subject, ['visibility-lag']);
  if (fault?.delayMs !== undefined) return fault.delayMs;
  return operation === 'SubmitJob' ? context.lag.listMs : context.lag.definitionMs;
}

/** A page of a list: tokens are positions, opaque to the caller. */
export function pageOf<T>(
  items: readonly T[],
  nextToken: unknown,
  limit: number,
): { page: readonly T[]; nextToken?: string } | Refusal {
  const from = readToken(nextToken);
  if (typeof from !== 'number') return from;
  const end = from + limit;
  return {
    page: items.slice(from, end),
    ...(end < items.length ? { nextToken: makeToken(end) } : {}),
  };
}

const TOKEN_PATTERN = /^bw(\d{1,12})$/;

export const makeToken = (position: number) => Buffer.from(`bw${position}`).toString('base64url');

export function readToken(token: unknown, absent = 0): number | Refusal {
  if (token === undefined) return absent;
  const position = TOKEN_PATTERN.exec(Buffer.from(String(token), 'base64url').toString())?.[1];
  return position === undefined ? clientException('Invalid nextToken') : Number(position);
}
