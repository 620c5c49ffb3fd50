/** What the page asks first: who is calling, and how the fleet is. */
import packageJson from '../../package.json' with { type: 'json' };
import { builtInPrices, type Prices } from '../../core/cost/prices.ts';
import { blameOf, drainOf, holdUpOf, problemsOf } from '../../core/fleet/verdict.ts';
import { sumSavings, type SavedSum } from '../../db/cache-savings.ts';
import type { Caller } from '../access/caller.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { Overview, Session } from '../schemas/fleet.ts';
import { failures } from '../schemas/replies.ts';
import { createFleetState, HOUR_MS, savedCost, type FleetState } from '../tasks/fleet-state.ts';

const tags = ['Fleet'];
const LISTED_OWNERS = 20;

export function overviewRoutes(api: Api, context: ApiContext): void {
  const { callers, database, nowMs } = context;
  const session = {
    tags,
    summary: 'Get who is calling, and what the token allows',
    response: { 200: Session, ...failures },
  };
  api.get('/session', { schema: session, config: { scope: 'any' } }, async ({ caller }) => ({
    owner: caller.access.owner,
    scopes: [...caller.access.scopes],
    tokens_required: callers.tokensRequired,
    version: packageJson.version,
  }));

  const prices = context.prices ?? builtInPrices;
  const readState = createFleetState(context, prices);
  const overview = {
    tags,
    summary: 'Get how the fleet is: health, waits, backlog, queues, owners, cost, cache',
    response: { 200: Overview, ...failures },
  };
  api.get('/overview', { schema: overview }, async ({ caller }) => {
    const [state, saved] = await Promise.all([
      readState(),
      sumSavings(database.pool, caller.access.owner),
    ]);
    return viewOverview(state, { caller, saved, prices, nowMs: nowMs() });
  });
}

interface Viewed {
  caller: Caller;
  saved: SavedSum;
  prices: Prices;
  nowMs: number;
}

function viewOverview(state: FleetState, { caller, saved, prices, nowMs }: Viewed): Overview {
  const { facts, backlog, ends } = state;
  const problems = problemsOf(facts);
  const drain = drainOf(backlog, ends);
  const holdUp = holdUpOf(facts);
  const owners = ownersOf(state, caller);
  const listed = owners.reduce((sum, { tasks }) => sum + tasks, 0);
  return {
    at: rfc3339(nowMs),
    counted: rfc3339(state.countedMs),
    health: problems[0]?.severity ?? 'ok',
    problems,
    running: facts.running,
    stages: facts.stages.map((stage) => ({
      stage: stage.stage,
      tasks: stage.waiting,
      oldest_seconds: stage.oldestSeconds,
      messages: stage.messages,
      message_seconds: stage.messageSeconds,
      laid_aside: stage.laidAside,
      paused: stage.isPaused,
      workers: stage.workers,
      active: stage.active,
      concurrency: stage.concurrency,
    })),
    hold_up: holdUp,
    waiting: blameOf(facts),
    drain: {
      backlog: drain.backlog,
      per_minute: drain.perMinute,
      ...(drain.seconds !== undefined && { seconds: drain.seconds }),
    },
    queues: queuesOf(state),
    owners,
    other_tasks: Math.max(0, backlog - listed),
    cost: {
      per_hour: state.shares.reduce((sum, { costPerHour }) => sum + costPerHour, 0),
      currency: prices.currency,
      prices: `${prices.source} (${prices.asOf})`,
    },
    cache: {
      hits: saved.hits,
      vcpu_hours: saved.vcpuMs / HOUR_MS,
      gib_hours: saved.gibMs / HOUR_MS,
      cost: savedCost(saved, prices),
    },
  };
}

function queuesOf({ jobs, queues }: FleetState): Overview['queues'] {
  const names = [...new Set([...jobs.keys(), ...queues.keys()])].toSorted();
  return names.map((queue) => {
    const [seen, wait] = [jobs.get(queue), queues.get(queue)];
    return {
      queue,
      tasks: wait?.tasks ?? 0,
      ...(seen && { runnable: seen.runnable, running: seen.running }),
      oldest_seconds: wait?.oldestSeconds ?? 0,
      held_up: wait?.heldUp ?? 0,
    };
  });
}

function ownersOf({ byOwner, shares }: FleetState, { access }: Caller): Overview['owners'] {
  const seesAll = access.scopes.includes('admin');
  const owners = seesAll
    ? [...byOwner].toSorted(([, many], [, more]) => more - many).slice(0, LISTED_OWNERS)
    : [[access.owner, byOwner.get(access.owner) ?? 0] as const];
  return owners.map(([owner, tasks]) => {
    const own = shares.filter((share) => share.owner === owner);
    const sum = (of: 'running' | 'vcpus' | 'costPerHour'): number =>
      own.reduce((total, share) => total + share[of], 0);
    return {
      owner,
      tasks,
      running: Math.round(sum('running')),
      vcpus: sum('vcpus'),
      cost_per_hour: sum('costPerHour'),
    };
  });
}
