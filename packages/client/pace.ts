/**
 * How many requests a client has under way. When the service has too much to do, all of them pause together and fewer go at once
 * afterwards: half as many, and then one more for each round that goes well, as TCP does it.
 */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

export interface Pace {
  /** Does the work once there is room for it. Rejects with the signal's reason when that comes first. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Nothing begins for so long. */
  slowDown(ms: number): void;
  /** A request went well. */
  speedUp(): void;
}

export interface Clock {
  nowMs(): number;
  sleep: Sleep;
}

/** A time in which nothing begins. Its timer runs only while somebody waits for the end: otherwise it would keep the process alive. */
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

/** @param most requests under way at once */
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
      // Those that were under way together hear it one after the other; it is one event.
      if (!pause.isOn()) allowed = Math.max(1, allowed / 2);
      pause.lengthen(ms);
    },
    speedUp() {
      allowed = Math.min(most, allowed + 1 / allowed);
    },
  };
}

/** The default: the platform's timer. */
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
