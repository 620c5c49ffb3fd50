/** `token create`, `list` and `revoke`: access control. */
import { InvalidArgumentError } from 'commander';
import type { TokenReply, TokenRequest } from '../../packages/client/client.ts';
import { profileNames } from '../../core/profiles/profile-names.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import type { CommandContext } from './context.ts';
import { formatTable, type Column } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { connect, wholeNumber, withConnection, type ConnectionOptions } from './connection.ts';

interface CreateOptions extends ConnectionOptions {
  owner: string;
  name?: string;
  // The API checks the values.
  scope?: TokenRequest['scopes'];
  allowUrl?: string[];
  queue?: string[];
  jobRole?: string[];
  cacheDomain?: string;
  profile?: TokenRequest['profile'];
  days?: number;
}

const DAY_MS = 24 * 3_600_000;

export function addTokenCommands({ program, terminal, act }: CommandContext): void {
  const tokens = program
    .command('token')
    .summary('manage bearer tokens')
    .description(
      'manage bearer tokens; needs a token of scope admin, such as one of BATCHWELL_TOKENS',
    );
  withConnection(
    tokens
      .command('create')
      .description('create a token and print it; it is not shown again')
      .requiredOption('--owner <name>', 'owner of the tasks that the token creates and sees')
      .option('--name <text>', 'what the token is for')
      .option(
        '--scope <scope...>',
        'what the token allows: submit, read, cancel, admin (default: submit read cancel)',
      )
      .option(
        '--allow-url <url...>',
        'where its tasks’ files must be: s3://bucket/prefix, https://host/path (default: anywhere)',
      )
      .option(
        '--queue <queue...>',
        'job queues that its tasks may use; the first is their default (default: any)',
      )
      .option(
        '--job-role <arn...>',
        'IAM roles that its tasks may use (default: those of BATCHWELL_JOB_ROLES)',
      )
      .option('--cache-domain <name>', 'call cache that its tasks share (default: the owner’s)')
      .option(
        '--profile <client>',
        `client of its tasks: ${profileNames.join(', ')} (default: detected for each task)`,
      )
      .option(
        '--days <days>',
        'days until the token expires (default: never)',
        wholeNumber(1, 36_500),
      )
      .action(act((options: CreateOptions) => create(options, terminal))),
  );
  withConnection(
    tokens
      .command('list')
      .description('list all tokens, newest first, without their secrets, which are not stored')
      .action(act((options: ConnectionOptions) => list(options, terminal))),
  );
  withConnection(
    tokens
      .command('revoke')
      .argument('<id>', 'id of the token, from `batchwell token list`', tokenId)
      .description('revoke a token; within 10 seconds no API accepts it')
      .action(act((id: number, options: ConnectionOptions) => revoke(id, options, terminal))),
  );
}

function tokenId(given: string): number {
  if (!/^[1-9]\d{0,14}$/.test(given))
    throw new InvalidArgumentError(
      'Expected the id of a token; `batchwell token list` shows them.',
    );
  return Number(given);
}

async function create(options: CreateOptions, terminal: Terminal): Promise<ExitCode> {
  const { owner, name, profile } = options;
  const made = await connect(options, terminal).createToken(
    withoutUndefined<TokenRequest>({
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
      `Token ${made.id} of ${made.owner} allows ${made.scopes.join(', ')}` +
        `${made.expires === undefined ? '' : ` until ${made.expires}`}. Keep it: it is not shown again.`,
    );
  }
  return exitCodes.ok;
}

const withoutUndefined = <T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

async function list(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const tokens = await connect(options, terminal).listTokens();
  if (options.json) printJson(terminal, tokens);
  else if (tokens.length === 0)
    printLine(
      terminal.err,
      'No token has been created yet. Those of BATCHWELL_TOKENS are not listed.',
    );
  else printLine(terminal.out, formatTable(columns, tokens, terminal));
  return exitCodes.ok;
}

const columns: Column<TokenReply>[] = [
  { heading: 'ID', value: ({ id }) => id },
  { heading: 'OWNER', value: ({ owner }) => owner },
  { heading: 'SCOPES', value: ({ scopes }) => scopes.join(' ') },
  { heading: 'FILES BELOW', value: ({ urls }) => urls?.join(' ') ?? 'any' },
  { heading: 'CREATED', value: ({ created }) => created.slice(0, 10) },
  {
    heading: 'EXPIRES',
    value: ({ revoked, expires }) =>
      revoked === undefined
        ? (expires?.slice(0, 10) ?? 'never')
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
  else printLine(terminal.err, `Token ${id} is revoked; within 10 seconds no API accepts it.`);
  return exitCodes.ok;
}
