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
  /** The server of the old connections is not a primary, or did not answer. */
  onLost(): void;
  /** A new connection leads to a primary, and the old one did not. */
  onAnswerElsewhere(): void;
  /** Asks on a connection of the pool, where the server refuses another one. */
  askPool(): Promise<void>;
}

export interface Watch {
  /** Looks now. Settles in 9 s at most; within milliseconds if the server answers. */
  look(): Promise<Standing>;
  /** A statement had no answer: nobody gets a connection until this was looked into. */
  suspect(): void;
  /** @throws DatabaseUnavailable at once while no primary answers */
  requireUp(): Promise<void>;
  close(): void;
}

const PAUSE_MS = 2000;
const PAUSE_WHILE_DOWN_MS = 500;
/**
 * For an answer of a connection, and for a new connection with its answer. A busy machine takes more
 * than a second for one. After a statement without an answer a request waits for this, and there is
 * less reason to be patient.
 */
const ANSWER_MS = 3000;
const ANSWER_OF_SUSPECT_MS = 1000;

const isLate = (limitMs: number) => (): Error =>
  new DatabaseUnavailable('no-answer', `no answer within ${limitMs} ms`);

export function openWatch(url: string, hooks: WatchHooks): Watch {
  const probe = openProbe(url, hooks);
  let standing: Standing = { up: true };
  let looking: Promise<Standing> | undefined;
  let suspicion: Promise<unknown> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const lookOnce = async (limitMs: number): Promise<Standing> => {
    const seen = await probe.ask(limitMs);
    if (closed) probe.drop();
    const changed = describe(seen) !== describe(standing);
    standing = seen;
    if (changed && !closed) hooks.onChange(seen);
    return seen;
  };
  const look = (): Promise<Standing> =>
    (looking ??= lookOnce(ANSWER_MS).finally(() => {
      looking = undefined;
    }));
  const lookAgain = (): void => {
    if (closed) return;
    const pauseMs = standing.up ? PAUSE_MS : PAUSE_WHILE_DOWN_MS;
    timer = setTimeout(() => void look().finally(lookAgain), pauseMs);
    timer.unref();
  };
  void look().finally(lookAgain);

  return {
    look,
    suspect() {
      probe.drop();
      suspicion ??= lookOnce(ANSWER_OF_SUSPECT_MS).finally(() => {
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
      probe.drop();
    },
  };
}

const describe = (standing: Standing): string => (standing.up ? 'up' : standing.outage);

/** Asks on the connection that is open, and then on a new one. */
function openProbe(url: string, hooks: WatchHooks) {
  let connection: Connection | undefined;
  let wasLost = false;

  const drop = (): void => {
    if (connection) destroy(connection);
    connection = undefined;
  };

  /** Whether the connection leads to a primary. A restart of the server closes it. */
  const askOld = async (old: Connection, limitMs: number): Promise<boolean> => {
    try {
      await within(
        requirePrimary((sql) => old.query(sql)),
        limitMs,
        isLate(limitMs),
      );
      return true;
    } catch (error) {
      // Somebody else gave it up meanwhile, and mysql2 settles nothing then.
      if (connection !== old) return false;
      drop();
      const { outage } = asUnavailable(error);
      wasLost = outage === 'no-answer' || outage === 'read-only';
      if (wasLost) hooks.onLost();
      return false;
    }
  };

  const askBoth = async (limitMs: number): Promise<void> => {
    if (connection && (await askOld(connection, limitMs))) return;
    try {
      const fresh = await openConnection(url, limitMs);
      drop();
      connection = fresh;
      if (wasLost) hooks.onAnswerElsewhere();
      wasLost = false;
    } catch (error) {
      const unavailable = asUnavailable(error);
      if (unavailable.outage !== 'refused') throw unavailable;
      // Too many connections, or new credentials: those of the pool may serve for long.
      await within(hooks.askPool(), limitMs, () => unavailable);
    }
  };

  return {
    drop,
    ask: (limitMs: number): Promise<Standing> =>
      askBoth(limitMs).then(
        (): Standing => ({ up: true }),
        (error: unknown): Standing => {
          const { outage, message } = asUnavailable(error);
          return { up: false, outage, message };
        },
      ),
  };
}

/** To a primary, and in time. */
async function openConnection(url: string, limitMs: number): Promise<Connection> {
  const coming = createConnection(connectionOptions(url, limitMs));
  const asked = coming.then(async (fresh) => {
    fresh.on('error', () => undefined);
    await requirePrimary((sql) => fresh.query(sql));
    return fresh;
  });
  try {
    return await within(asked, limitMs, isLate(limitMs));
  } catch (error) {
    asked.catch(() => undefined);
    coming.then(destroy, () => undefined);
    throw error;
  }
}

function destroy(connection: Connection): void {
  connection.destroy();
  destroySocket((connection as Connection & { connection: object }).connection);
}
