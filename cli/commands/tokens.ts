/** `token create`, `list` and `revoke`: who may use this Batchwell, and for what. */
import { InvalidArgumentError } from 'commander';
import type { TokenReply, TokenRequest } from '../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../errors.ts';
import type { CommandParts } from '../command-line.ts';
import { formatTable, type Column } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { connect, wholeNumber, withConnection, type ConnectionOptions } from './connection.ts';

interface CreateOptions extends ConnectionOptions {
  owner: string;
  name?: string;
  scope?: string[];
  allowUrl?: string[];
  queue?: string[];
  jobRole?: string[];
  cacheDomain?: string;
  profile?: string;
  days?: number;
}

const DAY_MS = 24 * 3_600_000;

export function addTokenCommands({ program, terminal, act }: CommandParts): void {
  const tokens = program
    .command('token')
    .description(
      'bearer tokens; these commands need one that may admin, such as one of BATCHWELL_TOKENS',
    );
  withConnection(
    tokens
      .command('create')
      .description('make a token and print it; it is shown only now')
      .requiredOption('--owner <name>', 'whose tasks it makes and sees')
      .option('--name <text>', 'what it is for')
      .option(
        '--scope <scope...>',
        'what it may do: submit, read, cancel, admin (default: submit read cancel)',
      )
      .option(
        '--allow-url <url...>',
        'what files of its tasks must lie below, as s3://bucket/prefix (default: anything)',
      )
      .option(
        '--queue <queue...>',
        'job queues its tasks may name; the first is for those that name none (default: any)',
      )
      .option(
        '--job-role <arn...>',
        'IAM roles its tasks may ask for (default: those of BATCHWELL_JOB_ROLES)',
      )
      .option('--cache-domain <name>', 'whose call cache it shares (default: the owner)')
      .option(
        '--profile <client>',
        'which client’s habits its tasks follow (default: seen from each task)',
      )
      .option(
        '--days <number>',
        'how long it is good (default: until it is revoked)',
        wholeNumber(1, 36_500),
      )
      .action(act((options: CreateOptions) => create(options, terminal))),
  );
  withConnection(
    tokens
      .command('list')
      .description('all tokens, newest first; not the secrets, which are kept nowhere')
      .action(act((options: ConnectionOptions) => list(options, terminal))),
  );
  withConnection(
    tokens
      .command('revoke')
      .argument('<id>', 'its number in the list', tokenId)
      .description('make a token useless')
      .action(act((id: number, options: ConnectionOptions) => revoke(id, options, terminal))),
  );
}

function tokenId(given: string): number {
  if (!/^[1-9]\d{0,14}$/.test(given))
    throw new InvalidArgumentError(
      'Expected the number of a token; `batchwell token list` shows them.',
    );
  return Number(given);
}

async function create(options: CreateOptions, terminal: Terminal): Promise<ExitCode> {
  const { owner, name, profile } = options;
  const made = await connect(options, terminal).createToken(
    given({
      owner,
      name,
      profile,
      scopes: options.scope,
      urls: options.allowUrl,
      queues: options.queue,
      job_roles: options.jobRole,
      cache_domain: options.cacheDomain,
      expires:
        options.days === undefined
          ? undefined
          : new Date(Date.now() + options.days * DAY_MS).toISOString(),
    }),
  );
  if (options.json) printJson(terminal, made);
  else {
    printLine(terminal.out, made.token);
    printLine(
      terminal.err,
      `Token ${made.id} of ${made.owner} may ${made.scopes.join(', ')}${made.expires === undefined ? '' : ` until ${made.expires}`}. Keep it: it is not shown again.`,
    );
  }
  return exitCodes.ok;
}

/** What was not said is not sent. What is wrong in it, the API says. */
const given = (rights: Record<string, unknown>): TokenRequest =>
  Object.fromEntries(
    Object.entries(rights).filter(([, value]) => value !== undefined),
  ) as unknown as TokenRequest;

async function list(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const tokens = await connect(options, terminal).listTokens();
  if (options.json) printJson(terminal, tokens);
  else if (tokens.length === 0)
    printLine(terminal.err, 'No token was made yet; those of BATCHWELL_TOKENS are not listed.');
  else printLine(terminal.out, formatTable(columns, tokens));
  return exitCodes.ok;
}

const columns: Column<TokenReply>[] = [
  { heading: 'ID', value: ({ id }) => id },
  { heading: 'OWNER', value: ({ owner }) => owner },
  { heading: 'MAY', value: ({ scopes }) => scopes.join(' ') },
  { heading: 'FILES BELOW', value: ({ urls }) => urls?.join(' ') ?? 'anything' },
  { heading: 'MADE', value: ({ created }) => created.slice(0, 10) },
  {
    heading: 'GOOD UNTIL',
    value: ({ revoked, expires }) =>
      revoked === undefined
        ? (expires?.slice(0, 10) ?? 'for good')
        : `revoked ${revoked.slice(0, 10)}`,
  },
  { heading: 'NAME', value: ({ name }) => name },
];

async function revoke(
  id: number,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  await connect(options, terminal).revokeToken(id);
  if (options.json) printJson(terminal, { revoked: id });
  else printLine(terminal.err, `Token ${id} is revoked; within ten seconds no API takes it.`);
  return exitCodes.ok;
}
