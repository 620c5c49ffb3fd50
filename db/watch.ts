/**
 * Watches over a connection of its own whether the name of the database leads to a primary that
 * answers. Errors of statements come too late for that: a reader serves old rows without one, and a
 * server that hangs says nothing at all.
 */
import { createConnection, type Connection } from 'mysql2/promise';
import { within } from './bounded.ts';
import { asUnavailable, connectionOptions, destroySocket } from './pool.ts';
import { requirePrimary } from './primary.ts';
import { DatabaseUnavailable, type Outage } from './unavailable.ts';

export type Standing = { up: true } | { up: false; outage: Outage; message: string };

/** In the words of the metrics. */
export const asDependency = (
  standing: Standing,
): { up: boolean; isReadOnly: boolean; reason: string } => ({
  up: standing.up,
  isReadOnly: !standing.up && standing.outage === 'read-only',
  reason: standing.up ? '' : standing.message,
});

export interface WatchHooks {
  onChange(standing: Standing): void;
  /** The server of the old connections is not the primary, or did not answer. */
  onLost(): void;
  /** A new connection has an answer where the old one had none. */
  onAnswerElsewhere(): void;
  /** Asks on a connection of the pool, where the server refuses another one. */
  askPool(): Promise<void>;
}

export interface Watch {
  /** Looks now. Settles within 3 s. */
  look(): Promise<Standing>;
  /** A statement had no answer: nobody gets a connection until this was looked into. */
  suspect(): void;
  /** @throws DatabaseUnavailable at once while no primary answers */
  requireUp(): Promise<void>;
  close(): void;
}

const PAUSE_MS = 2000;
const PAUSE_WHILE_DOWN_MS = 500;
/** For an answer of a connection, and for a new connection with its answer. */
const ANSWER_MS = 1000;

const isLate = (): Error =>
  new DatabaseUnavailable('no-answer', `no answer within ${ANSWER_MS} ms`);

export function openWatch(url: string, hooks: WatchHooks): Watch {
  let connection: Connection | undefined;
  let standing: Standing = { up: true };
  let looking: Promise<Standing> | undefined;
  let suspicion: Promise<unknown> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lostInSilence = false;
  let closed = false;

  const drop = (): void => {
    if (!connection) return;
    connection.destroy();
    destroySocket((connection as Connection & { connection: object }).connection);
    connection = undefined;
  };

  /** Whether the connection that is open leads to a primary. A restart of the server closes it. */
  const askOld = async (old: Connection): Promise<boolean> => {
    try {
      await within(
        requirePrimary((sql) => old.query(sql)),
        ANSWER_MS,
        isLate,
      );
      return true;
    } catch (error) {
      drop();
      lostInSilence = asUnavailable(error).outage === 'no-answer';
      hooks.onLost();
      return false;
    }
  };

  const askNew = async (): Promise<void> => {
    const coming = createConnection(connectionOptions(url, ANSWER_MS));
    const asked = coming.then(async (fresh) => {
      fresh.on('error', () => undefined);
      await requirePrimary((sql) => fresh.query(sql)).catch((error: unknown) => {
        fresh.destroy();
        throw error;
      });
      return fresh;
    });
    try {
      connection = await within(asked, ANSWER_MS, isLate);
      if (lostInSilence) hooks.onAnswerElsewhere();
      lostInSilence = false;
    } catch (error) {
      asked.catch(() => undefined);
      coming.then(
        (late) => {
          late.destroy();
          destroySocket((late as Connection & { connection: object }).connection);
        },
        () => undefined,
      );
      throw error;
    }
  };

  const ask = async (): Promise<void> => {
    if (connection && (await askOld(connection))) return;
    try {
      await askNew();
    } catch (error) {
      const unavailable = asUnavailable(error);
      if (unavailable.outage === 'refused')
        // Too many connections, or new credentials: those of the pool may serve for long.
        return within(hooks.askPool(), ANSWER_MS, () => unavailable);
      throw unavailable;
    }
  };

  const lookOnce = async (): Promise<Standing> => {
    const seen = await ask().then(
      (): Standing => ({ up: true }),
      (error: unknown): Standing => {
        const { outage, message } = asUnavailable(error);
        return { up: false, outage, message };
      },
    );
    if (closed) drop();
    const changed =
      seen.up !== standing.up || (!seen.up && !standing.up && seen.outage !== standing.outage);
    standing = seen;
    if (changed && !closed) hooks.onChange(seen);
    return seen;
  };

  const look = (): Promise<Standing> =>
    (looking ??= lookOnce().finally(() => {
      looking = undefined;
    }));

  const lookAgain = (): void => {
    if (closed) return;
    timer = setTimeout(
      () => void look().finally(lookAgain),
      standing.up ? PAUSE_MS : PAUSE_WHILE_DOWN_MS,
    );
    timer.unref();
  };
  void look().finally(lookAgain);

  return {
    look,
    suspect() {
      drop();
      suspicion ??= look().finally(() => {
        suspicion = undefined;
      });
    },
    async requireUp() {
      await suspicion;
      if (!standing.up && (standing.outage === 'no-answer' || standing.outage === 'read-only'))
        throw new DatabaseUnavailable(standing.outage, standing.message);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      drop();
    },
  };
}
