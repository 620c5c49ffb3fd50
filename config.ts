/**
 * The only reader of the environment. Each setting explains itself in settings/, and all wrong
 * settings are reported together. `npm run generate` writes .env.example from them.
 */

import { append } from './core/append.ts';
import { access } from './settings/access.ts';
import { cache } from './settings/cache.ts';
import { cli } from './settings/cli.ts';
import { fillUrl } from './settings/credentials.ts';
import { containerContradictions, queueContradictions } from './settings/contradictions.ts';
import { databaseAndRedis } from './settings/database-and-redis.ts';
import { containers } from './settings/containers.ts';
import { files } from './settings/files.ts';
import { jobs } from './settings/jobs.ts';
import { polling } from './settings/polling.ts';
import { processes } from './settings/processes.ts';
import { recovery } from './settings/recovery.ts';
import { retention } from './settings/retention.ts';
import { scaling } from './settings/scaling.ts';
import type { Section, Setting } from './settings/setting.ts';
import { submitting } from './settings/submitting.ts';
import { webhooks } from './settings/webhooks.ts';

/** In the order of .env.example. */
const sections = [
  databaseAndRedis,
  files,
  jobs,
  containers,
  processes,
  access,
  webhooks,
  cache,
  submitting,
  polling,
  recovery,
  retention,
  scaling,
  cli,
] as const;

type SettingsOfSection = (typeof sections)[number]['settings'];
type NameOf<S> = S extends unknown ? keyof S : never;
type ValueOf<S, N> = S extends Readonly<Record<N & string, Setting<infer V>>> ? V : never;

export type Config = {
  readonly [N in NameOf<SettingsOfSection>]: ValueOf<SettingsOfSection, N>;
};

/** Every setting by its name in Config. */
export const settings: Readonly<Record<string, Setting<unknown>>> = Object.fromEntries(
  sections.flatMap((section: Section) => Object.entries(section.settings)),
);

/** Names every wrong setting, with what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads and checks all settings. Throws one ConfigError that lists all wrong ones; secrets are not
 * shown.
 */
export function readConfig(environment: Environment = process.env): Config {
  const wrong: string[] = [];
  const values = Object.entries(settings).map(([name, setting]) => {
    const given = environment[setting.variable];
    if (given === undefined || given === '') return [name, setting.fallback];
    try {
      return [name, setting.parse(given)];
    } catch (error) {
      wrong.push(`${setting.variable}=${shown(setting, given)}: ${messageOf(error)}`);
      return [name, setting.fallback];
    }
  });
  const config = Object.fromEntries(values) as Config;
  const urls = fillUrls(config, environment);
  append(wrong, [
    ...urls.wrong,
    ...missingWebhookKey(environment),
    ...(wrong.length === 0 ? contradictions(config) : []),
  ]);
  if (wrong.length > 0) {
    const count = wrong.length === 1 ? 'One setting is' : `${wrong.length} settings are`;
    throw new ConfigError(`${count} not valid:\n  ${wrong.join('\n  ')}`);
  }
  return { ...config, ...urls.filled };
}

const shown = (setting: Setting<unknown>, given: string): string =>
  setting.secret ? '(not shown)' : JSON.stringify(given);

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** The URLs of the database and of Redis, complete. */
function fillUrls(config: Pick<Config, 'databaseUrl' | 'redisUrl'>, environment: Environment) {
  const { databaseUrl, databaseUser, databasePassword, redisUrl, redisUser, redisPassword } =
    databaseAndRedis.settings;
  const database = fillUrl(
    { url: databaseUrl, user: databaseUser, password: databasePassword },
    environment,
    config.databaseUrl,
  );
  const redis = fillUrl(
    { url: redisUrl, user: redisUser, password: redisPassword },
    environment,
    config.redisUrl,
  );
  return {
    filled: { databaseUrl: database.url, redisUrl: redis.url },
    wrong: [...database.wrong, ...redis.wrong],
  };
}

function missingWebhookKey(environment: Environment): string[] {
  const { webhookOrigins, webhookKey } = webhooks.settings;
  if (!environment[webhookOrigins.variable] || environment[webhookKey.variable]) return [];
  return [
    `${webhookKey.variable}: required with ${webhookOrigins.variable}, because webhooks are signed with it`,
  ];
}

/** Settings of which each is right by itself. */
const contradictions = (config: Config): string[] => [
  ...containerContradictions(config),
  ...queueContradictions(config),
];

const ENV_EXAMPLE_HEAD = `# Every setting of Batchwell, with its default.
# Generated from settings/ by \`npm run generate\`.
# AWS itself is configured as for every AWS SDK: AWS_REGION, AWS_ENDPOINT_URL_S3,
# AWS_ENDPOINT_URL_BATCH, AWS_PROFILE or the credential chain.
`;

/** The text of .env.example. */
export const envExample = (): string =>
  [ENV_EXAMPLE_HEAD, ...sections.map(exampleOfSection)].join('\n');

const exampleOfSection = ({ heading, settings }: Section): string =>
  [`# ${heading}\n# ${'-'.repeat(heading.length)}\n`, ...Object.values(settings).map(example)].join(
    '\n',
  );

function example({ variable, effect, unit, fallback }: Setting<unknown>): string {
  const explained = unit ? `${effect} Unit: ${unit}.` : effect;
  const value = Array.isArray(fallback) ? fallback.join(',') : String(fallback);
  return `${wrapComment(explained)}\n# ${variable}=${value}\n`;
}

const COLUMNS = 100;

/** Cuts a text between words into lines that begin with '# '. */
function wrapComment(words: string): string {
  const lines = ['#'];
  for (const word of words.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (longer.length > COLUMNS) lines.push(`# ${word}`);
    else lines[lines.length - 1] = longer;
  }
  return lines.join('\n');
}
