/** Worker processes of a crash test: started, killed, and never left behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CrashPoint } from '../../workers/crash-points.ts';
import type { FleetWorld } from '../flow/harness.ts';

const PROGRAM = fileURLToPath(new URL('worker.ts', import.meta.url));

/** A dead worker's messages come back soon. */
export const CRASH_SETTINGS = {
  BATCHWELL_LOCK_MS: '1000',
  BATCHWELL_STALL_MS: '1500',
  BATCHWELL_HOST_FAULT_PAUSE_MS: '100',
  BATCHWELL_LOG_LEVEL: 'silent',
};

export interface WorkerProcess {
  /** Settles with the signal that ended it, or null for an end of its own. */
  ended: Promise<NodeJS.Signals | null>;
  kill(): void;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

export interface WorkerPlan {
  /** Kills itself there, at its `count`th passing. */
  crashPoint?: CrashPoint;
  count?: number;
  clockSkewMs?: number;
}

/** Resolves when the worker takes messages, or has killed itself before that. */
export async function startWorkerProcess(
  world: FleetWorld,
  { crashPoint, count = 1, clockSkewMs = 0 }: WorkerPlan = {},
): Promise<WorkerProcess> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...world.environment,
      CRASH_POINT: crashPoint ?? '',
      CRASH_COUNT: String(count),
      CLOCK_SKEW_MS: String(clockSkewMs),
    },
  });
  const ended = once(child, 'exit').then(([, signal]) => signal as NodeJS.Signals | null);
  await Promise.race([child.stdout && once(child.stdout, 'data'), ended]);
  return {
    ended,
    kill: () => void child.kill('SIGKILL'),
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
