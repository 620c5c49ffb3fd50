/** The options of every command that speaks to a running Batchwell. */
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
    .option('--url <url>', 'where the API is (BATCHWELL_URL, else http://127.0.0.1:8000)')
    .option('--token <token>', 'bearer token (BATCHWELL_TOKEN)')
    .option('--json', 'print JSON instead of a table');

/** @param isPatient for what goes on for hours: a service that is replaced meanwhile is back within a minute */
export function connect(options: ConnectionOptions, terminal: Terminal, isPatient = false): Client {
  const config = readConfig(terminal.environment);
  const url = options.url ?? config.clientUrl;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new WrongUse(`--url ${url}: expected a URL that begins with http:// or https://.`);
  try {
    // A person at a terminal wants to know at once, and may try again.
    return openClient({
      url,
      token: options.token ?? (config.clientToken || undefined),
      ...(!isPatient && { retry: { tries: 1 } }),
    });
  } catch (cause) {
    throw new WrongUse(`This cannot be connected to: ${(cause as Error).message}`);
  }
}

/** What kind of thing an id names; the ids say it themselves (core/ids.ts). */
export const isScatterId = (id: string): boolean => id.startsWith('scatter-');

/** For commander's options: a whole number within bounds. */
export const wholeNumber =
  (least: number, most: number) =>
  (given: string): number => {
    const value = Number(given);
    if (given.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };

/** `key=value`; a key alone stands for any value. */
export const readTags = (given: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    given.map((one): [string, string] => {
      const [, key, value = ''] = /^([^=]+)(?:=(.*))?$/s.exec(one) ?? [];
      if (key === undefined) throw new WrongUse(`--tag ${one}: expected key=value.`);
      return [key, value];
    }),
  );
