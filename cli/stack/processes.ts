/**
 * The processes of a stack: each can exit by itself, and all are stopped in the reverse order of
 * their start.
 */
import { startOwnedServer, type OwnedServer } from '../services/owned-server.ts';

export interface StackProcess {
  title: string;
  /** Settles when the process has exited, with `exit code 1` or `SIGKILL`. */
  ended: Promise<string>;
  logTail(): string;
  stop(): Promise<void>;
}

export interface UnexpectedExit {
  title: string;
  /** `exit code 1` or `SIGKILL`. */
  how: string;
  logTail: string;
}

export interface ProcessGroup {
  /** Adds a process that has started. */
  add(process: StackProcess): void;
  /** Settles when a process exits without being asked to. */
  unexpectedExit: Promise<UnexpectedExit>;
  /**
   * Stops all, last started first. Tries each of them, and then rejects if one could not be
   * stopped.
   */
  stop(): Promise<void>;
}

export function createProcessGroup(): ProcessGroup {
  const running: StackProcess[] = [];
  let stopping: Promise<void> | undefined;
  const exit = Promise.withResolvers<UnexpectedExit>();
  const watch = async (process: StackProcess): Promise<void> => {
    const how = await process.ended;
    if (stopping === undefined)
      exit.resolve({ title: process.title, how, logTail: process.logTail() });
  };
  const stopAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const process of running.toReversed())
      await process.stop().catch((failure: unknown) => failures.push(failure));
    if (failures.length > 0)
      throw new AggregateError(failures, 'Some processes of the stack could not be stopped.');
  };
  return {
    unexpectedExit: exit.promise,
    add(process) {
      running.push(process);
      void watch(process);
    },
    stop: () => (stopping ??= stopAll()),
  };
}

export interface ProgramOptions {
  title: string;
  /** A TypeScript file of this project. */
  script: string;
  args: string[];
  environment: NodeJS.ProcessEnv;
  readyLine: RegExp;
  logFile: string;
  /**
   * The stack's own folder, removed when this process is killed; absent when the folder is kept.
   */
  sharedFolder?: string;
}

/** This project's programs start in half a second; a busy machine takes longer. */
const READY_WITHIN_MS = 60_000;
/** Longer than the grace period of a worker or a job, so that SIGKILL is the exception. */
const STOP_WITHIN_MS = 20_000;

/**
 * Runs a program of this project as a child process that cannot outlive this one. Rejects with
 * ServerNotReady.
 */
export async function startProgram(options: ProgramOptions): Promise<StackProcess & OwnedServer> {
  const server = await startOwnedServer({
    title: options.title,
    program: process.execPath,
    args: [options.script, ...options.args],
    readyLine: options.readyLine,
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    environment: options.environment,
    logFile: options.logFile,
    ...(options.sharedFolder !== undefined && { sharedFolder: options.sharedFolder }),
  });
  return { ...server, title: options.title };
}
