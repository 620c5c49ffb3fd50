/** How the local Batch runs a container: one interface, four ways (runners/). */
import type { ContainerExtras, Mount } from './jobs.ts';

export interface Container {
  jobId: string;
  jobName: string;
  arrayIndex?: number;
  /** From 1. */
  attempt: number;
  /** Unique to the attempt; names its scratch, log, cgroup or container. */
  taskId: string;
  image: string;
  command: string[];
  /** The whole environment: nothing of the server's own is added. */
  environment: Record<string, string>;
  vcpus: number;
  memoryMiB: number;
  mounts: Mount[];
  readonlyRoot: boolean;
  /** Its secrets are in the environment. */
  extras?: ContainerExtras;
  /** stdout and stderr together. */
  logFile: string;
}

/** How a container ended, in ECS's words. */
export interface Ended {
  exitCode?: number;
  /** Such as `OutOfMemoryError: Container killed due to memory usage`. */
  reason?: string;
  /** The signal that ended the container's first process, when one did. */
  signal?: string;
  /** True when no process of the task ever ran (no such command, no such image). */
  neverStarted?: boolean;
}

export interface RunningContainer {
  /** Never rejects. Settles when all processes have ended and the scratch is removed. */
  ended: Promise<Ended>;
  /**
   * Sends SIGTERM or SIGKILL; after SIGTERM, SIGKILL follows after `graceMs`. May be called again.
   */
  kill(signal: 'SIGTERM' | 'SIGKILL', graceMs: number): void;
}

export interface Runner {
  /** `isolated`, `proot`, `container` or `simulated`; shown in /_local/health. */
  name: string;
  /** Whether containers write their output to logFile. */
  keepsLogs: boolean;
  /** Does not throw: a failure to start is an end too. */
  start(container: Container): RunningContainer;
  /** Removes what earlier, crashed servers on the same data folder left behind. */
  sweep?(): Promise<void>;
}

export const OUT_OF_MEMORY_REASON = 'OutOfMemoryError: Container killed due to memory usage';

/** Docker's message for a command that does not exist. ECS passes it on with exit code 127. */
export function cannotStartReason(command: string): string {
  return (
    'CannotStartContainerError: Error response from daemon: failed to create task for ' +
    'container: failed to create shim task: OCI runtime create failed: runc create ' +
    `failed: unable to start container process: exec: ${JSON.stringify(command)}: ` +
    'executable file not found in $PATH: unknown'
  );
}
