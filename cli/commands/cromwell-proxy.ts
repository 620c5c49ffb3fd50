/** `cromwell-proxy`: runs on Cromwell's host when Cromwell's root is not in S3. */
import { InvalidArgumentError } from 'commander';
import { readConfig } from '../../config.ts';
import { readPathMap } from '../../core/files/path-map.ts';
import { WrongUse } from '../errors.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { CommandContext } from './context.ts';
import type { Terminal } from '../output/terminal.ts';
import { wholeNumber } from './connection.ts';
import { serve } from './serve.ts';

interface ProxyCommandOptions {
  map?: string[];
  url?: string;
  token?: string;
  host: string;
  port: number;
}

export function addCromwellCommands({ program, terminal, act }: CommandContext): void {
  program
    .command('cromwell-proxy')
    .summary('run the TES proxy on the host of a Cromwell')
    .description(
      'run the TES proxy for a Cromwell whose root is a shared file system: it copies inputs to S3 and outputs back',
    )
    .option(
      '--map <path=url>',
      'a root on this host and its place in S3, /path=s3://bucket/prefix; repeatable (BATCHWELL_PATH_MAP)',
      collectRoots,
    )
    .option('--url <url>', 'URL of the API (BATCHWELL_URL, else http://127.0.0.1:8000)')
    .option(
      '--token <token>',
      'bearer token for callers that send none (BATCHWELL_TOKEN); used only when --host is a loopback address',
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 for a free one', wholeNumber(0, 65_535), 8010)
    .addHelpText(
      'after',
      `
Set endpoint = "http://127.0.0.1:8010/ga4gh/tes/v1/tasks" in Cromwell's TES backend; see docs/cromwell.md.
AWS credentials come from the AWS SDK's usual sources. They need s3:GetObject, s3:PutObject and s3:ListBucket below each
S3 URL.`,
    )
    .action(act(async (options: ProxyCommandOptions) => serveProxy(options, terminal)));
}

function collectRoots(given: string, before: string[] = []): string[] {
  try {
    readPathMap([given]);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return [...before, given];
}

async function serveProxy(
  { map: roots, url, token, host, port }: ProxyCommandOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = readConfig(terminal.environment);
  const map = readPathMap(roots ?? config.pathMap);
  if (map.size === 0)
    throw new WrongUse(
      '--map is missing. Name each root and its place in S3, such as --map /mnt/cromwell-executions=s3://bucket/prefix.',
    );
  const apiUrl = (url ?? config.clientUrl).replace(/\/+$/, '');
  if (!URL.canParse(apiUrl) || !/^https?:$/.test(new URL(apiUrl).protocol))
    throw new WrongUse(`--url ${apiUrl}: expected a URL that begins with http:// or https://.`);
  const { startProxy, ProxyNotReady } = await import('../../cromwell/proxy/main.ts');
  const running = await startProxy({
    map,
    apiUrl,
    host,
    port,
    token: token ?? (config.clientToken || undefined),
    environment: { ...terminal.environment },
    s3PathStyle: config.s3PathStyle === 'yes',
    logLevel: config.logLevel,
  }).catch((error: unknown) => {
    if (error instanceof ProxyNotReady) throw new WrongUse(error.message);
    throw error;
  });
  return serve(running, 'The Cromwell proxy', terminal);
}
