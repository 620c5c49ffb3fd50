/** `cp`, `ls` and `cat`: files in S3, of the local stack or of AWS, as the environment says. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ObjectStore, S3Endpoint } from '../../aws/s3.ts';
import { readConfig } from '../../config.ts';
import { parseS3Url } from '../../core/files/s3-url.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { findStack, type FoundStack } from '../local-stacks.ts';
import { printable } from '../output/printable.ts';
import { formatLocalTime } from '../output/when.ts';
import { printJsonLine, printLine, type Terminal } from '../output/terminal.ts';
import type { CommandContext } from './context.ts';

interface FileOptions {
  url?: string;
  recursive?: true;
  json?: true;
}

const WHERE = `
The files are in the S3 that the environment names (AWS_ENDPOINT_URL_S3, AWS_PROFILE, AWS_ACCESS_KEY_ID).
Without one of them, the local S3 of the \`batchwell up\` on this machine is used, if it runs; its
buckets are created when something is written to them.`;

export function addFileCommands({ program, terminal, act }: CommandContext): void {
  const url = [
    '--url <url>',
    'URL of the API whose local S3 is meant (default: BATCHWELL_URL, else http://127.0.0.1:8000)',
  ] as const;
  program
    .command('cp')
    .argument('<from>', 'a file, a folder, an s3:// URL, or - for stdin')
    .argument('<to>', 'the same, or - for stdout')
    .summary('copy files to, from, or within S3')
    .description('copy a file, or with --recursive a folder, to, from, or within S3')
    .option('-r, --recursive', 'copy all files of a folder or below a prefix')
    .option(...url)
    .addHelpText(
      'after',
      `${WHERE}

Examples:
  batchwell cp reads.fq s3://data/reads.fq
  batchwell cp -r results s3://data/results
  batchwell cp s3://data/a.count -`,
    )
    .action(
      act((from: string, to: string, options: FileOptions) =>
        withFiles(options, terminal, (files) => copy(files, { from, to, ...options }, terminal)),
      ),
    );
  program
    .command('ls')
    .argument('<url>', 's3://bucket or s3://bucket/prefix')
    .description('list files in S3')
    .option('-r, --recursive', 'list all files below the prefix, not only the next level')
    .option('--json', 'print one JSON object per line')
    .option(...url)
    .addHelpText('after', WHERE)
    .action(
      act((prefix: string, options: FileOptions) =>
        withFiles(options, terminal, (files) => list(files, prefix, options, terminal)),
      ),
    );
  program
    .command('cat')
    .argument('<url...>', 's3:// URLs of files')
    .description('print files of S3')
    .option(...url)
    .addHelpText('after', WHERE)
    .action(
      act((urls: string[], options: FileOptions) =>
        withFiles(options, terminal, async (files) => {
          for (const one of urls) await printFile(files, one, terminal);
          return exitCodes.ok;
        }),
      ),
    );
}

const NAMES_S3 = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID'];

async function withFiles(
  { url }: FileOptions,
  { environment }: Terminal,
  run: (files: ObjectStore) => Promise<ExitCode>,
): Promise<ExitCode> {
  const config = readConfig(environment);
  const isNamed = NAMES_S3.some((name) => environment[name]);
  const stack = isNamed ? undefined : await findStack(url ?? config.clientUrl);
  const endpoint = stack && endpointOf(stack);
  const [{ openObjectStore }, { createMetrics }] = await Promise.all([
    import('../../aws/s3.ts'),
    import('../../telemetry/metrics.ts'),
  ]);
  const files = openObjectStore({
    metrics: createMetrics(),
    pathStyle: config.s3PathStyle === 'yes' || endpoint !== undefined,
    requesterPays: config.requesterPays,
    ...(endpoint && { endpoint }),
  });
  try {
    return await run(files);
  } catch (error) {
    throw explained(error);
  } finally {
    files.close();
  }
}

/** Undefined for a stack that uses another S3. */
function endpointOf({ environment }: FoundStack): S3Endpoint | undefined {
  const url = environment['AWS_ENDPOINT_URL_S3'];
  const of = (name: string): string => environment[name] ?? '';
  return url === undefined
    ? undefined
    : {
        url,
        region: of('AWS_REGION'),
        accessKeyId: of('AWS_ACCESS_KEY_ID'),
        secretAccessKey: of('AWS_SECRET_ACCESS_KEY'),
      };
}

/** The SDK's own words assume that its reader wrote the program. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof WrongUse) return error;
  if (/credentials|Region is missing/i.test(error.message))
    return new WrongUse(
      'There are no AWS credentials or no region, and no `batchwell up` runs on this machine. ' +
        'Start it, or set AWS_PROFILE or the other variables of the AWS SDK.',
    );
  return new WrongUse(error.message);
}

const isS3 = (place: string): boolean => place.startsWith('s3://');

function needUrl(url: string): { bucket: string; key: string } {
  const place = parseS3Url(url);
  if (!place) throw new WrongUse(`${url}: expected s3://bucket/key.`);
  return place;
}

interface Copy extends FileOptions {
  from: string;
  to: string;
}

async function copy(
  files: ObjectStore,
  { from, to, recursive }: Copy,
  terminal: Terminal,
): Promise<ExitCode> {
  if (!isS3(from) && !isS3(to))
    throw new WrongUse(`Neither ${from} nor ${to} is an s3:// URL. Use cp of your shell.`);
  if (recursive) return copyTree(files, { from, to }, terminal);
  const target = to.endsWith('/') && from !== '-' ? `${to}${basename(from)}` : to;
  if (from === '-' && to.endsWith('/')) throw new WrongUse(`${to}: expected the name of a file.`);
  await copyOne(files, from, target, terminal);
  if (target !== '-') printLine(terminal.err, printable(`${from} -> ${target}`));
  return exitCodes.ok;
}

async function copyOne(
  files: ObjectStore,
  from: string,
  to: string,
  terminal: Terminal,
): Promise<void> {
  if (isS3(to) && needUrl(to).key === '') throw new WrongUse(`${to}: expected s3://bucket/key.`);
  if (isS3(from) && isS3(to)) return copyWithin(files, from, to);
  if (isS3(to)) return upload(files, from, to, terminal);
  if (to === '-') return printFile(files, from, terminal);
  const opened = await openFile(files, from);
  await mkdir(dirname(to), { recursive: true });
  await pipeline(Readable.from(opened.body), createWriteStream(to));
}

async function upload(
  files: ObjectStore,
  from: string,
  to: string,
  { input }: Terminal,
): Promise<void> {
  if (from === '-') return void (await files.put(to, await buffer(input)));
  const facts = await stat(from).catch((cause: Error) => {
    throw new WrongUse(`${from} cannot be read: ${cause.message}.`);
  });
  if (facts.isDirectory()) throw new WrongUse(`${from} is a folder. Copy it with --recursive.`);
  await files.put(to, { stream: createReadStream(from), sizeBytes: facts.size });
}

/** Through this machine where S3 does not copy by itself. */
async function copyWithin(files: ObjectStore, from: string, to: string): Promise<void> {
  const opened = await openFile(files, from);
  await files.put(to, { stream: Readable.from(opened.body), sizeBytes: opened.sizeBytes });
}

async function openFile(files: ObjectStore, url: string) {
  const { key } = needUrl(url);
  const opened = key === '' ? undefined : await files.open(url);
  if (opened === undefined || opened === 'unchanged')
    throw new WrongUse(`${url} does not exist. \`batchwell ls\` lists what does.`);
  return opened;
}

async function printFile(files: ObjectStore, url: string, { out }: Terminal): Promise<void> {
  const opened = await openFile(files, url);
  await pipeline(Readable.from(opened.body), out, { end: false });
}

const asFolder = (path: string): string => (path.endsWith('/') ? path : `${path}/`);

async function copyTree(
  files: ObjectStore,
  { from, to }: Pick<Copy, 'from' | 'to'>,
  terminal: Terminal,
): Promise<ExitCode> {
  if (from === '-' || to === '-') throw new WrongUse('--recursive copies folders, not a stream.');
  let count = 0;
  for await (const [source, path] of isS3(from) ? objectsBelow(files, from) : filesBelow(from)) {
    terminal.interrupted.throwIfAborted();
    if (path.split('/').includes('..'))
      throw new WrongUse(`${source} would be written outside of ${to}.`);
    await copyOne(files, source, isS3(to) ? asFolder(to) + path : join(to, path), terminal);
    count += 1;
  }
  if (count === 0) throw new WrongUse(`There is no file below ${from}.`);
  printLine(
    terminal.err,
    `${printable(`${from} -> ${to}`)}: ${count} ${count === 1 ? 'file' : 'files'}`,
  );
  return exitCodes.ok;
}

async function* objectsBelow(
  files: ObjectStore,
  from: string,
): AsyncGenerator<readonly [string, string]> {
  needUrl(from);
  const folder = asFolder(from);
  for await (const page of files.list(folder))
    for (const { url } of page) if (!url.endsWith('/')) yield [url, url.slice(folder.length)];
}

async function* filesBelow(from: string): AsyncGenerator<readonly [string, string]> {
  const entries = await readdir(from, { recursive: true, withFileTypes: true }).catch(
    (cause: Error) => {
      throw new WrongUse(`${from} cannot be read: ${cause.message}.`);
    },
  );
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    yield [path, relative(from, path).split(sep).join('/')];
  }
}

interface Listed {
  url: string;
  bytes?: number;
  modified?: string;
}

async function list(
  files: ObjectStore,
  prefix: string,
  { recursive, json }: FileOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  needUrl(prefix);
  let count = 0;
  for await (const one of recursive ? everyFile(files, prefix) : nextLevel(files, prefix)) {
    count += 1;
    if (json) printJsonLine(terminal, one);
    else printLine(terminal.out, lineOf(one));
  }
  if (count === 0 && !json) printLine(terminal.err, `There is nothing below ${prefix}.`);
  return exitCodes.ok;
}

const BYTE_CELLS = 12;
const TIME_CELLS = 19;

const lineOf = ({ url, bytes, modified }: Listed): string =>
  [
    (bytes === undefined ? '' : String(bytes)).padStart(BYTE_CELLS),
    (formatLocalTime(modified) ?? '').padEnd(TIME_CELLS),
    printable(url),
  ].join('  ');

async function* everyFile(
  files: ObjectStore,
  prefix: string,
  startAfterKey?: string,
): AsyncGenerator<Listed> {
  for await (const page of files.list(prefix, {
    ...(startAfterKey !== undefined && { startAfterKey }),
  }))
    for (const { url, sizeBytes, lastModifiedMs } of page)
      yield { url, bytes: sizeBytes, modified: new Date(lastModifiedMs).toISOString() };
}

/** After every key of a folder: U+10FFFF is the last character. */
const LAST = '\u{10ffff}';

/** What is below a folder is one line, and is not read. */
async function* nextLevel(files: ObjectStore, prefix: string): AsyncGenerator<Listed> {
  const { bucket, key } = needUrl(prefix);
  let after: string | undefined;
  for (;;) {
    let folder: string | undefined;
    for await (const one of everyFile(files, `s3://${bucket}/${key}`, after)) {
      const own = needUrl(one.url).key;
      const slash = own.indexOf('/', key.length);
      if (slash < 0 || slash === own.length - 1) yield one;
      else {
        folder = own.slice(0, slash + 1);
        break;
      }
    }
    if (folder === undefined) return;
    yield { url: `s3://${bucket}/${folder}` };
    after = folder + LAST;
  }
}
