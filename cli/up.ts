/** `batchwell up`: starts the stack, prints where everything is, and stops it again. */
import { once } from 'node:events';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import type { UnexpectedExit } from './stack/processes.ts';
import { noteStack } from './local-stacks.ts';
import { startProgress } from './output/progress.ts';
import { startStack, type Stack, type StackOptions } from './stack.ts';
import { formatFacts } from './output/table.ts';
import { printLine, type Terminal } from './output/terminal.ts';

export interface UpOptions {
  keepData?: string;
  workers: number;
  port?: number;
  aws?: true;
}

const DEFAULT_PORT = 8000;

export async function up(options: UpOptions, terminal: Terminal): Promise<ExitCode> {
  const progress = startProgress(terminal);
  const stackOptions: StackOptions = {
    environment: terminal.environment,
    workers: options.workers,
    ...(options.keepData !== undefined && { keepDataFolder: options.keepData }),
    ...(options.aws && { aws: true }),
    onStep: (step) => progress.show(`${step}…`),
    signal: terminal.interrupted,
    ...portOf(options, terminal),
  };
  const stack = await startStack(stackOptions).finally(() => progress.end());
  const forget = await noteStack(
    stack.apiUrl,
    stack.environment,
    options.keepData === undefined ? stack.folder : undefined,
  );
  try {
    printLine(terminal.out, describeStack(stack));
    printLine(terminal.out, howToReachS3(stack));
    const deletes = options.keepData === undefined ? ' and delete their data' : '';
    printLine(terminal.out, `Press Ctrl-C to stop all services${deletes}.`);
    return await untilInterrupted(stack, terminal);
  } finally {
    await forget();
    await stack.stop();
  }
}

/** --port and PORT name the only port that will do; the default may be replaced by a free one. */
function portOf(
  { port }: UpOptions,
  { environment }: Terminal,
): { port?: number; preferredPort?: number } {
  if (port !== undefined) return { port };
  const given = Number(environment['PORT']);
  return given > 0 ? { port: given } : { preferredPort: DEFAULT_PORT };
}

/**
 * Waits for Ctrl-C, or for a process that exits by itself: that one is reported, with the end of
 * its log.
 */
export async function untilInterrupted(stack: Stack, terminal: Terminal): Promise<ExitCode> {
  const exit = await Promise.race([
    stack.unexpectedExit,
    terminal.interrupted.aborted
      ? undefined
      : once(terminal.interrupted, 'abort').then(() => undefined),
  ]);
  if (exit === undefined) return exitCodes.ok;
  reportExit(exit, terminal);
  return exitCodes.failed;
}

export function reportExit({ title, how, logTail }: UnexpectedExit, { err }: Terminal): void {
  const log = logTail === '' ? '' : ` The end of its log:\n${logTail}`;
  printLine(err, `${title} exited unexpectedly (${how}), so all services are stopped.${log}`);
}

/** Without this, the user could not copy inputs into the local S3. */
function howToReachS3({ localAws }: Stack): string {
  if (localAws === undefined) return '';
  const { s3Url, batchUrl, credentials } = localAws;
  const variables = {
    ...credentials,
    AWS_ENDPOINT_URL_S3: s3Url,
    AWS_ENDPOINT_URL_BATCH: batchUrl,
  };
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return (
    '\nFor the AWS CLI (2.13 or later; earlier versions need --endpoint-url) and SDKs:\n' +
    `  export ${settings.join(' ')}\n`
  );
}

/** The URLs and folders that a person needs. */
export function describeStack(stack: Stack): string {
  return formatFacts([
    ['page', `${stack.apiUrl}/`],
    ['API (TES)', `${stack.apiUrl}/ga4gh/tes/v1`],
    ['API docs', `${stack.apiUrl}/docs`],
    ['queue board', `${stack.apiUrl}/board`],
    ['metrics', `${stack.apiUrl}/metrics`],
    ...stack.workerMetricsUrls.map((url, at) => [`worker ${at + 1} metrics`, url] as const),
    ['local S3', stack.localAws && `${stack.localAws.s3Url} (work bucket ${stack.bucket})`],
    ['local Batch', stack.localAws?.batchUrl],
    ['data and logs', stack.folder],
  ]);
}
