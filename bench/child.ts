/**
 * Processes of a benchmark. They are forked, get requests by message, and end with this process.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Child {
  pid: number;
  /**
   * Calls the handler of that name in the process. Rejects with its error, or when the process ends
   * first.
   */
  ask<T>(name: string, given?: unknown): Promise<T>;
  stop(): Promise<void>;
}

interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

interface ChildOptions {
  env?: Record<string, string>;
  /** Flags for node, such as --cpu-prof. */
  nodeFlags?: readonly string[];
}

/** @param script a file name in this folder */
export function startChild(script: string, { env = {}, nodeFlags = [] }: ChildOptions = {}): Child {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), {
    env: { ...process.env, ...env },
    execArgv: [...nodeFlags],
    serialization: 'advanced',
  });
  const waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  let asked = 0;
  let hasEnded = false;
  child.on('message', ({ id, value, error }: Answer) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(value);
    else call?.reject(new Error(`${script}: ${error}`));
  });
  child.on('exit', (code, signal) => {
    hasEnded = true;
    for (const { reject } of waiting.values())
      reject(
        new Error(`${script} ended with ${signal ?? `exit code ${code}`} before it answered.`),
      );
  });
  return {
    pid: child.pid ?? 0,
    ask: <T>(name: string, given?: unknown) =>
      new Promise<T>((resolve, reject) => {
        if (hasEnded) return reject(new Error(`${script} has ended.`));
        asked += 1;
        waiting.set(asked, { resolve: resolve as (value: unknown) => void, reject });
        child.send({ id: asked, name, given });
      }),
    async stop() {
      if (hasEnded) return;
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

/** The child's side: answers requests until the parent disconnects, then closes. */
export function serveParent(
  handlers: Record<string, (given: never) => unknown>,
  close: () => Promise<void>,
): void {
  process.on('message', ({ id, name, given }: { id: number; name: string; given: never }) => {
    void (async () => {
      const answer: Answer = { id };
      try {
        const handler = handlers[name];
        if (!handler) throw new Error(`There is no handler ${name}.`);
        answer.value = await handler(given);
      } catch (error) {
        answer.error = error instanceof Error ? (error.stack ?? error.message) : String(error);
      }
      process.send?.(answer);
    })();
  });
  process.once('disconnect', () => void close().finally(() => process.exit()));
}
