/**
 * Runs no process: a function says how long each container takes and how it ends. For benchmarks
 * and tests.
 */
import type { Container, Ended, Runner, RunningContainer } from '../runner.ts';

export interface SimulatedRun {
  durationMs: number;
  /** Default 0. */
  exitCode?: number;
  reason?: string;
  /** Done when the duration is over, before the container counts as ended. */
  effect?: () => Promise<void>;
}

/** Exit codes of a container whose first process is ended by a signal. */
const SIGNAL_EXIT_CODES = { SIGTERM: 143, SIGKILL: 137 };

function start(
  container: Container,
  plan: (container: Container) => SimulatedRun,
): RunningContainer {
  const { durationMs, exitCode = 0, reason, effect } = plan(container);
  const { promise: ended, resolve: finish } = Promise.withResolvers<Ended>();
  const complete = () => finish({ exitCode, ...(reason === undefined ? {} : { reason }) });
  const timer = setTimeout(() => {
    if (effect === undefined) complete();
    else
      effect().then(complete, (cause: unknown) =>
        finish({ exitCode: 1, reason: `The simulated effect failed: ${String(cause)}` }),
      );
  }, durationMs);
  return {
    ended,
    kill(signal) {
      clearTimeout(timer);
      finish({ exitCode: SIGNAL_EXIT_CODES[signal], signal });
    },
  };
}

export function createSimulatedRunner(plan: (container: Container) => SimulatedRun): Runner {
  return { name: 'simulated', keepsLogs: false, start: (container) => start(container, plan) };
}
