/** For commands that work on the database itself: where it is, and a sentence if it is not there. */
import { readConfig, type Config } from '../../config.ts';
import { ServersMissing } from '../errors.ts';
import { findStack } from '../local-stacks.ts';
import { adoptEnvironment, type Terminal } from '../output/terminal.ts';

const SERVERS = ['DATABASE_URL', 'REDIS_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL_BATCH'];

/**
 * The configuration of the fleet that the environment names; without one, of the stack that
 * `batchwell up` runs on this machine.
 */
export async function fleetConfig(terminal: Terminal): Promise<Config> {
  const { environment } = terminal;
  const isNamed = SERVERS.some((name) => environment[name]);
  const config = readConfig(environment);
  const stack = isNamed ? undefined : await findStack(config.clientUrl);
  if (!stack) return config;
  adoptEnvironment(stack.environment);
  return readConfig({ ...environment, ...stack.environment });
}

/**
 * @param command as the user types it
 * @throws ServersMissing if the database does not answer
 */
export async function requireDatabase(
  config: Pick<Config, 'databaseUrl'>,
  command: string,
): Promise<void> {
  const { whyUnreachable } = await import('../../db/reach.ts');
  const why = await whyUnreachable(config.databaseUrl);
  if (why === undefined) return;
  throw new ServersMissing(
    `\`batchwell ${command}\` works on the database itself, but there is no connection to ` +
      `${withoutSecrets(config.databaseUrl)}: ${why}. Set DATABASE_URL and REDIS_URL as for a worker ` +
      '(.env.example explains them), or run the command on the machine where `batchwell up` runs.',
  );
}

function withoutSecrets(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}:${port || '3306'}${pathname}`;
}
