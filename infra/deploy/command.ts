/** The commands aws:deploy and aws:teardown: options, account, work, and the exit code. */
import { createClients, readAccount, type Account } from './clients.ts';
import { deployAll } from './deploy.ts';
import type { Deployment } from './deployment.ts';
import { Interrupted, messageOf, nameOf, Refusal } from './errors.ts';
import {
  deployHelp,
  readDeployOptions,
  readTeardownOptions,
  teardownHelp,
  type CommonOptions,
} from './options.ts';
import { tearDown } from './teardown.ts';

/** CloudFormation takes minutes, and its describe calls are few for a whole account. */
const POLL_MS = 5_000;

export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Between two looks at AWS; tests have no time. */
  pollMs?: number;
}

/** Returns the exit code: 0 done; 1 refused or failed, with what to do; 130 Ctrl-C. */
export async function runCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const [command, ...options] = words;
  try {
    await (command === 'teardown' ? teardown(options, terminal) : deploy(options, terminal));
    return 0;
  } catch (error) {
    const wasInterrupted = error instanceof Interrupted || terminal.signal.aborted;
    terminal.err(
      wasInterrupted
        ? 'Interrupted. What CloudFormation has begun goes on; run the same command again to follow it.'
        : explain(error),
    );
    return wasInterrupted ? 130 : 1;
  }
}

async function deploy(words: readonly string[], terminal: Terminal): Promise<void> {
  const options = readDeployOptions(words);
  if (options === undefined) terminal.out(deployHelp);
  else
    await begin(options, terminal, async (deployment, account) => {
      await deployAll(deployment, account, options);
    });
}

async function teardown(words: readonly string[], terminal: Terminal): Promise<void> {
  const options = readTeardownOptions(words);
  if (options === undefined) terminal.out(teardownHelp);
  else
    await begin(options, terminal, async (deployment) => {
      await tearDown(deployment, options.yes);
    });
}

async function begin(
  { name, profile, region }: CommonOptions,
  { out, signal, pollMs = POLL_MS }: Terminal,
  work: (deployment: Deployment, account: Account) => Promise<void>,
): Promise<void> {
  const clients = createClients({ profile, region });
  const deployment = { clients, name, say: out, signal, pollMs, nowMs: Date.now };
  try {
    const account = await readAccount(clients, { profile, region });
    out(`Account ${account.id}, ${account.region}, stacks ${name}…`);
    await work(deployment, account);
  } finally {
    for (const client of Object.values(clients)) client.destroy();
  }
}

function explain(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  const said = `${nameOf(error)}: ${messageOf(error)}`;
  if (/AccessDenied|UnauthorizedOperation|not authorized/i.test(said))
    return `AWS refused a request of yours: ${said}\nThe role that deploys needs CloudFormation and the rights to create what the templates name.`;
  if (/Expired/i.test(said))
    return `The credentials have expired: ${said}\nLog in again and run the same command. What AWS has begun goes on.`;
  return `${said}\nRun the same command again: it goes on from there.`;
}
