/** The options and the client of the commands that call the API. */
import { InvalidArgumentError, type Command } from 'commander';
import { openClient, type Client } from '../../packages/client/client.ts';
import { readConfig } from '../../config.ts';
import { WrongUse } from '../errors.ts';
import type { Terminal } from '../output/terminal.ts';

export interface ConnectionOptions {
  url?: string;
  token?: string;
  json?: true;
}

export const withConnection = (command: Command): Command =>
  command
    .option('--url <url>', 'URL of the API (default: BATCHWELL_URL, else http://127.0.0.1:8000)')
    .option('--token <token>', 'bearer token (default: BATCHWELL_TOKEN)')
    .option('--json', 'print JSON instead of a table');

/**
 * @param isPatient retries for a minute, for calls that last hours: a service that is replaced is
 * back by then
 */
export function connect(options: ConnectionOptions, terminal: Terminal, isPatient = false): Client {
  const config = readConfig(terminal.environment);
  const url = options.url ?? config.clientUrl;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new WrongUse(`--url ${url}: expected a URL that begins with http:// or https://.`);
  try {
    // A person at a terminal wants to know at once, and can retry.
    return openClient({
      url,
      token: options.token ?? (config.clientToken || undefined),
      ...(!isPatient && { retry: { tries: 1 } }),
    });
  } catch (cause) {
    throw new WrongUse(`The API cannot be called: ${(cause as Error).message}`);
  }
}

/** Ids begin with the kind of thing that they name (core/ids.ts). */
export const isScatterId = (id: string): boolean => id.startsWith('scatter-');

/** Parses an option of commander: a whole number within bounds. */
export const wholeNumber =
  (least: number, most: number) =>
  (given: string): number => {
    const value = Number(given);
    if (given.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };

/** Parses `key=value`; a key alone matches any value. */
export const readTags = (given: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    given.map((one): [string, string] => {
      const [, key, value = ''] = /^([^=]+)(?:=(.*))?$/s.exec(one) ?? [];
      if (key === undefined) throw new WrongUse(`--tag ${one}: expected key=value.`);
      return [key, value];
    }),
  );
