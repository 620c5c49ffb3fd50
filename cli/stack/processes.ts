/** The running parts of a stack: each can end by itself, and all are taken down in the reverse order of their start. */
import { startOwnedServer, type OwnedServer } from '../services/owned-server.ts';

export interface Part {
  title: string;
  ended: Promise<string>;
  logTail(): string;
  stop(): Promise<void>;
}

export interface BrokenPart {
  title: string;
  /** `exit code 1` or `SIGKILL`. */
  how: string;
  logTail: string;
}

export interface Parts {
  /** Takes a part in, once it has started. */
  add(part: Part): void;
  /** Settles when a part ends although nobody asked it to. */
  broken: Promise<BrokenPart>;
  /** Ends all, last started first. Rejects when one could not be ended, after it has tried them all. */
  stop(): Promise<void>;
}

export function gatherParts(): Parts {
  const running: Part[] = [];
  let stopping: Promise<void> | undefined;
  const broken = Promise.withResolvers<BrokenPart>();
  const watch = async (part: Part): Promise<void> => {
    const how = await part.ended;
    if (stopping === undefined) broken.resolve({ title: part.title, how, logTail: part.logTail() });
  };
  const stopAll = async (): Promise<void> => {
    const troubles: unknown[] = [];
    for (const part of running.toReversed())
      await part.stop().catch((trouble: unknown) => troubles.push(trouble));
    if (troubles.length > 0)
      throw new AggregateError(troubles, 'Not every part of the stack could be ended.');
  };
  return {
    broken: broken.promise,
    add(part) {
      running.push(part);
      void watch(part);
    },
    stop: () => (stopping ??= stopAll()),
  };
}

export interface ProgramPart {
  title: string;
  /** A TypeScript file of this project. */
  script: string;
  args: string[];
  environment: NodeJS.ProcessEnv;
  readyLine: RegExp;
  logFile: string;
  /** The stack's own folder, removed when we are killed; absent when it is kept. */
  sharedFolder?: string;
}

/** This project's programs start in half a second; a busy machine takes its time. */
const READY_WITHIN_MS = 60_000;
/** Longer than a worker's or a job's own grace, so that SIGKILL is the exception. */
const STOP_WITHIN_MS = 20_000;

/** One of our own programs as a child process that cannot outlive us. Rejects with ServerNotReady. */
export async function startProgram(part: ProgramPart): Promise<Part & OwnedServer> {
  const server = await startOwnedServer({
    title: part.title,
    program: process.execPath,
    args: [part.script, ...part.args],
    readyLine: part.readyLine,
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    environment: part.environment,
    logFile: part.logFile,
    ...(part.sharedFolder !== undefined && { sharedFolder: part.sharedFolder }),
  });
  return { ...server, title: part.title };
}
