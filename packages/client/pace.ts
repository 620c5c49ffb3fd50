/**
 * Limits the requests that a client has in progress. When the service is overloaded, all calls
 * pause together, and afterwards half as many requests run at once, plus one more for each round
 * that succeeds, as in TCP.
 */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

export interface Pace {
  /**
   * Runs the work once there is room for it. Rejects with the signal's reason if the signal is
   * aborted first.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Nothing begins for this long. */
  slowDown(ms: number): void;
  /** A request has succeeded. */
  speedUp(): void;
}

export interface Clock {
  nowMs(): number;
  sleep: Sleep;
}

/**
 * A time in which nothing begins. Its timer runs only while a call waits for the end; otherwise it
 * would keep the process alive.
 */
function createPause({ nowMs, sleep }: Clock, onEnd: () => void) {
  let untilMs = 0;
  let sitting: AbortController | undefined;
  return {
    isOn: () => untilMs > nowMs(),
    lengthen(ms: number): void {
      untilMs = Math.max(untilMs, nowMs() + ms);
    },
    async sitOut(): Promise<void> {
      if (sitting) return;
      sitting = new AbortController();
      const endMs = untilMs;
      const over = await sleep(endMs - nowMs(), sitting.signal).then(
        () => true,
        () => false,
      );
      sitting = undefined;
      if (over && untilMs === endMs) untilMs = 0;
      onEnd();
    },
    leave: () => sitting?.abort(),
  };
}

/** @param most requests in progress at once */
export function createPace(most: number, clock: Clock): Pace {
  const waiting = new Set<() => void>();
  let allowed = most;
  let underWay = 0;

  const start = (): void => {
    if (pause.isOn()) {
      if (waiting.size > 0) void pause.sitOut();
      return;
    }
    for (const begin of waiting) {
      if (underWay >= Math.floor(allowed)) return;
      waiting.delete(begin);
      underWay += 1;
      begin();
    }
  };
  const pause = createPause(clock, start);
  const room = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const giveUp = (): void => {
        waiting.delete(begin);
        if (waiting.size === 0) pause.leave();
        reject(signal?.reason as Error);
      };
      const begin = (): void => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      waiting.add(begin);
      start();
    });

  return {
    async run(work, signal) {
      await room(signal);
      try {
        return await work();
      } finally {
        underWay -= 1;
        start();
      }
    },
    slowDown(ms) {
      // Requests that ran together report the same overload one after the other; it counts once.
      if (!pause.isOn()) allowed = Math.max(1, allowed / 2);
      pause.lengthen(ms);
    },
    speedUp() {
      allowed = Math.min(most, allowed + 1 / allowed);
    },
  };
}

/** The default: a timer of the platform. */
export const sleepFor: Sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const giveUp = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', giveUp);
      resolve();
    }, ms);
    signal?.addEventListener('abort', giveUp, { once: true });
  });
