/** The database's clock, carried on in this process; core/fleet-clock.ts has the reasons. */
import {
  learnOffset,
  nextTick,
  offsetMs,
  type ClockKnowledge,
  type ClockReading,
} from '../core/fleet-clock.ts';
import type { Session } from './client.ts';
import { selectFirst } from './rows.ts';

export interface FleetClock {
  /**
   * Epoch milliseconds by the database's clock. Before the first reading, the host's own clock;
   * `learned` says when that is over.
   */
  nowMs(): number;
  /** Resolves at the first reading. Rejects when there is none within this time. */
  learned(withinMs: number): Promise<void>;
  close(): void;
}

interface ClockSight {
  /** The host's wall clock minus the database's. */
  skewMs: number;
  /** How far the fleet's clock moved in this process, when a reading set it anew. */
  steppedMs?: number;
}

export interface FleetClockOptions {
  session: Session;
  /** The host's wall clock; it can be wrong. */
  wallMs?: () => number;
  onSight?: (sight: ClockSight) => void;
  onTrouble?: (error: unknown) => void;
}

const READ_EVERY_MS = 10_000;
/** After a failure, and after a reading that contradicts the ones before. */
const READ_AGAIN_MS = 200;
/**
 * When wall clock and monotonic clock come apart by this much, one was set or the host slept: the
 * database is asked at once.
 */
const APART_MS = 1000;

async function readDatabaseClock(session: Session): Promise<ClockReading> {
  const sentMs = performance.now();
  // Sessions are at UTC (client.ts), so no hour of this exists twice.
  const row = await selectFirst<{ databaseMs: number }>(
    session,
    'SELECT ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS databaseMs',
  );
  return { sentMs, databaseMs: Number(row?.databaseMs), receivedMs: performance.now() };
}

interface Rounds {
  /** The next round follows at once. */
  wake(): void;
  close(): void;
}

/** Runs rounds until it is closed; each one says how long the pause after it is. */
function startRounds(round: () => Promise<number>): Rounds {
  const state = { isClosed: false, wake: Promise.withResolvers<void>() };
  const run = async (): Promise<void> => {
    while (!state.isClosed) {
      const pauseMs = await round();
      state.wake = Promise.withResolvers<void>();
      const timer = setTimeout(state.wake.resolve, pauseMs);
      timer.unref();
      if (!state.isClosed) await state.wake.promise;
      clearTimeout(timer);
    }
  };
  void run();
  return {
    wake: () => state.wake.resolve(),
    close() {
      state.isClosed = true;
      state.wake.resolve();
    },
  };
}

export function openFleetClock({
  session,
  wallMs = Date.now,
  onSight = () => undefined,
  onTrouble = () => undefined,
}: FleetClockOptions): FleetClock {
  let knowledge: ClockKnowledge = {};
  let lastMs = 0;
  const apart = (): number => wallMs() - performance.now();
  let apartMs = apart();
  const first = Promise.withResolvers<void>();

  async function look(): Promise<number> {
    const before = knowledge.known;
    knowledge = learnOffset(knowledge, await readDatabaseClock(session));
    const { known, doubted } = knowledge;
    if (!known || doubted) return READ_AGAIN_MS;
    apartMs = apart();
    const movedMs = before ? offsetMs(known) - offsetMs(before) : 0;
    onSight({
      skewMs: apartMs - offsetMs(known),
      ...(Math.abs(movedMs) > APART_MS && { steppedMs: movedMs }),
    });
    first.resolve();
    return READ_EVERY_MS;
  }
  const rounds = startRounds(() =>
    look().catch((error: unknown) => {
      onTrouble(error);
      return READ_AGAIN_MS;
    }),
  );

  return {
    nowMs() {
      if (!knowledge.known) return wallMs();
      if (Math.abs(apart() - apartMs) > APART_MS) rounds.wake();
      lastMs = nextTick(lastMs, Math.round(performance.now() + offsetMs(knowledge.known)));
      return lastMs;
    },
    learned(withinMs) {
      const late = new Error(
        `MySQL did not tell its time within ${withinMs / 1000} s. ` +
          'Check that DATABASE_URL is right and that MySQL runs, then start again.',
      );
      const timer = setTimeout(() => first.reject(late), withinMs);
      return first.promise.finally(() => clearTimeout(timer));
    },
    close: rounds.close,
  };
}
