/** `batchwell up`: the stack, where things are, and an orderly end. */
import { once } from 'node:events';
import { exitCodes, type ExitCode } from './errors.ts';
import type { BrokenPart } from './stack/processes.ts';
import { startProgress } from './output/progress.ts';
import { startStack, type Stack, type StackOptions } from './stack/stack.ts';
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
  try {
    printLine(terminal.out, describeStack(stack));
    printLine(
      terminal.out,
      `${howToReachS3(stack)}\nCtrl-C ends it${options.keepData === undefined ? '; its data go with it' : ''}.`,
    );
    return await untilInterrupted(stack, terminal);
  } finally {
    await stack.stop();
  }
}

/** PORT and --port are wishes that must be met; the default gives way where it is taken. */
function portOf(
  { port }: UpOptions,
  { environment }: Terminal,
): { port?: number; preferredPort?: number } {
  if (port !== undefined) return { port };
  const given = Number(environment['PORT']);
  return given > 0 ? { port: given } : { preferredPort: DEFAULT_PORT };
}

/** Waits for Ctrl-C, or for a part that ends by itself: that one is named, with the end of its log. */
export async function untilInterrupted(stack: Stack, terminal: Terminal): Promise<ExitCode> {
  const broken = await Promise.race([
    stack.broken,
    terminal.interrupted.aborted
      ? undefined
      : once(terminal.interrupted, 'abort').then(() => undefined),
  ]);
  if (broken === undefined) return exitCodes.ok;
  tellBroken(broken, terminal);
  return exitCodes.failed;
}

export function tellBroken(broken: BrokenPart, { err }: Terminal): void {
  printLine(
    err,
    `${broken.title} ended by itself (${broken.how}), so everything is taken down.${broken.logTail === '' ? '' : ' The end of its log:'}`,
  );
  if (broken.logTail !== '') printLine(err, broken.logTail);
}

/** For the AWS CLI and every SDK: how else would inputs get there? */
export function howToReachS3({ localAws }: Stack): string {
  if (localAws === undefined) return '';
  const { s3Url, batchUrl, credentials } = localAws;
  const variables = {
    ...credentials,
    AWS_ENDPOINT_URL_S3: s3Url,
    AWS_ENDPOINT_URL_BATCH: batchUrl,
  };
  return `\nFor the AWS CLI (2.13 or later; before, it takes --endpoint-url) and SDKs:\n  export ${Object.entries(
    variables,
  )
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')}\n`;
}

/** Where a person looks. */
export function describeStack(stack: Stack): string {
  return formatFacts([
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
