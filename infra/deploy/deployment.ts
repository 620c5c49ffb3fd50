/** What every step of a deployment takes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clients } from './clients.ts';
import { Interrupted } from './errors.ts';

export interface Deployment {
  clients: Clients;
  /** Name of the core stack, and the start of the names of the others. */
  name: string;
  say(line: string): void;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Between two looks at AWS. */
  pollMs: number;
  nowMs(): number;
}

/** @throws Interrupted */
export function checkInterrupt({ signal }: Pick<Deployment, 'signal'>): void {
  if (signal.aborted) throw new Interrupted('Interrupted.');
}

/** @throws Interrupted */
export async function pause(deployment: Deployment, ms = deployment.pollMs): Promise<void> {
  checkInterrupt(deployment);
  try {
    await sleep(ms, undefined, { signal: deployment.signal });
  } catch {
    checkInterrupt(deployment);
  }
}

export const stackNames = (name: string) => ({
  network: `${name}-network`,
  core: name,
  service: `${name}-service`,
  watch: `${name}-watch`,
  pipeline: `${name}-pipeline`,
});
