/** How many requests a registry gets at once, and when it is left alone. */
import type { ImageProblem } from '../core/image/image-seen.ts';

const AT_ONCE = 4;

export interface Turns {
  /** Runs the work when its turn comes. */
  take<T>(host: string, work: () => Promise<T>): Promise<T>;
  /** Why the host is not asked for now; undefined when it may be. */
  resting(host: string): ImageProblem | undefined;
  rest(host: string, forMs: number, problem: ImageProblem): void;
}

interface Line {
  running: number;
  waiting: (() => void)[];
}

/** Hosts come with the names of images, so they are forgotten once nothing goes on. */
export function createTurns(nowMs: () => number = () => performance.now()): Turns {
  const lines = new Map<string, Line>();
  const rests = new Map<string, { untilMs: number; problem: ImageProblem }>();
  return {
    async take(host, work) {
      const line = lines.get(host) ?? { running: 0, waiting: [] };
      lines.set(host, line);
      // Whoever leaves hands its place on, so `running` stays as it is then.
      if (line.running < AT_ONCE) line.running += 1;
      else await new Promise<void>((resolve) => line.waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = line.waiting.shift();
        if (next) next();
        else if ((line.running -= 1) === 0) lines.delete(host);
      }
    },
    resting(host) {
      const rest = rests.get(host);
      if (rest && rest.untilMs > nowMs()) return rest.problem;
      rests.delete(host);
      return undefined;
    },
    rest: (host, forMs, problem) => void rests.set(host, { untilMs: nowMs() + forMs, problem }),
  };
}
