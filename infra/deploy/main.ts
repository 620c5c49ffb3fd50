/**
 * Batchwell in an AWS account:
 *
 *   npm run aws:deploy -- --profile NAME …
 *   npm run aws:teardown -- --profile NAME …
 *
 * Exit codes: 0 done; 1 refused or failed, with what to do; 130 Ctrl-C.
 */
import { createClients, readAccount } from './clients.ts';
import { deployAll } from './deploy.ts';
import { type Deployment } from './deployment.ts';
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

const interrupt = new AbortController();

function begin({ name, profile, region }: CommonOptions): Deployment {
  return {
    clients: createClients({ profile, region }),
    name,
    say: (line) => console.log(line),
    signal: interrupt.signal,
    pollMs: Number(process.env['BATCHWELL_DEPLOY_POLL_MS'] ?? POLL_MS),
    nowMs: Date.now,
  };
}

async function deploy(words: readonly string[]): Promise<void> {
  const options = readDeployOptions(words);
  if (options === undefined) {
    console.log(deployHelp);
    return;
  }
  const deployment = begin(options);
  const account = await readAccount(deployment.clients, options);
  deployment.say(`Account ${account.id}, ${account.region}, stacks ${options.name}…`);
  await deployAll(deployment, account, options);
}

async function teardown(words: readonly string[]): Promise<void> {
  const options = readTeardownOptions(words);
  if (options === undefined) {
    console.log(teardownHelp);
    return;
  }
  const deployment = begin(options);
  const account = await readAccount(deployment.clients, options);
  deployment.say(`Account ${account.id}, ${account.region}, stacks ${options.name}…`);
  await tearDown(deployment, options.yes);
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

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // A second Ctrl-C does not wait for the request at work.
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
  });

const [command, ...words] = process.argv.slice(2);
try {
  await (command === 'teardown' ? teardown(words) : deploy(words));
} catch (error) {
  const wasInterrupted = error instanceof Interrupted || interrupt.signal.aborted;
  console.error(
    wasInterrupted
      ? 'Interrupted. What CloudFormation has begun goes on; run the same command again to follow it.'
      : explain(error),
  );
  process.exitCode = wasInterrupted ? 130 : 1;
}
