/**
 * What the docs name in backticks (or as a link, a setting, a metric, an alert), and whether it exists.
 * Each check takes a text and returns the names that nothing in the repository knows.
 */
import { globSync } from 'node:fs';
import { posix } from 'node:path';
import type { Command } from 'commander';
import { blocksOf } from './docs-examples.ts';
import { readRepositoryFile, repositoryFiles, repositoryRoot } from './repository.ts';

export interface Doc {
  path: string;
  text: string;
}

export interface Known {
  settings: ReadonlySet<string>;
  metrics: ReadonlySet<string>;
  alerts: ReadonlySet<string>;
  program: Command;
}

/** Names that are not ours, each list with whose they are. */
const FOREIGN_NAMES = new Set([
  'maxRetries', // WDL
  'failOnStderr', // Cromwell
  'memory-retry-error-keys', // Cromwell's configuration
  'PassRole', // IAM
]);

const FOREIGN_OPTIONS = new Set([
  '--retry', // curl
  '--retry-all-errors', // curl
  '--options', // Cromwell
  '--allow-net', // Deno
  '--endpoint-url', // the AWS CLI
]);

const NOT_IN_THE_REPOSITORY = new Set([
  'inputs/', // a Cromwell call's folder
  'execution/', // a Cromwell call's folder
  'submissions/', // S3 keys
  'live/', // S3 keys
  'blobs/', // the data folder of the local S3
  'journal.jsonl', // the data folder of the local Batch
  '.batchwell/', // made at run time
  '.batchwell/interop/', // made by the interop tests
  'dist/', // made by a build
]);

/** ADRs and the changelog tell history, so they may name what is gone. */
export const docs: readonly Doc[] = repositoryFiles(
  '*.md',
  'docs/*.md',
  'packages/*/README.md',
  'examples/**/README.md',
)
  .filter((path) => path !== 'CHANGELOG.md')
  .map((path) => ({ path, text: readRepositoryFile(path) }));

/** A comment may name what is gone. */
const COMMENT_LINE = /^\s*(?:\/?\*|\/\/).*$/gm;

const sources = [
  ...repositoryFiles('**/*.ts', 'scripts/*.mjs', '.ci/run', 'cromwell/batchwell-*'),
  ...repositoryFiles('docker-compose.yml', 'examples/**/*.conf'),
  'packages/local-aws/batch/service-model.json',
]
  .filter((path) => !path.includes('docs-statements'))
  .map((path) => readRepositoryFile(path).replaceAll(COMMENT_LINE, ''));

/** The options of programs that are not part of the CLI. */
const otherOptions = new Set(
  [
    'bench/options.ts',
    'packages/local-aws/main.ts',
    'scripts/crash.ts',
    'scripts/cache-stories.ts',
  ].flatMap((path) => readRepositoryFile(path).match(/\w+(?:-\w+)*/g) ?? []),
);

/** Every word of the code, with dashes: `message-failed`, `submitMany`, `BATCHWELL_URL`. */
const words = new Set(sources.flatMap((text) => text.match(/\w+(?:-\w+)*/g) ?? []));

/** Log events are the last text of a call such as `log.warn({ task }, 'message-failed')`. */
export const logEvents: ReadonlySet<string> = new Set(
  sources.flatMap((text) => [
    ...[...text.matchAll(/\blog\.(?:trace|debug|info|warn|error|fatal)\(/g)].flatMap(
      ({ index }) => eventOf(text.slice(index, index + 600)) ?? [],
    ),
    ...eventsOfLoops(text),
  ]),
);

/** A loop of the workers logs its failed rounds as `NAME-failed`. */
function eventsOfLoops(text: string): string[] {
  return [...text.matchAll(/\bstartLoop\(\w+, \{ name: '([a-z-]+)'/g)].map(
    ([, name]) => `${name}-failed`,
  );
}

function eventOf(call: string): string | undefined {
  const end = call.indexOf(');');
  return [...call.slice(0, end === -1 ? undefined : end).matchAll(/'([a-z]+(?:-[a-z]+)+)'/g)]
    .map(([, event]) => event)
    .at(-1);
}

const exists = (path: string): boolean => globSync(path, { cwd: repositoryRoot }).length > 0;

/** Inline code; without fenced blocks. */
const codeSpans = (text: string): string[] =>
  [...text.replaceAll(/^ *```[^]*?^ *```/gm, '').matchAll(/`([^`\n]+)`/g)].map(
    ([, span = '']) => span,
  );

const fencedLines = (text: string): string[] =>
  [...text.matchAll(/^ *```[^\n]*\n([^]*?)^ *```/gm)].flatMap(([, block = '']) =>
    block.split('\n'),
  );

export function unknownSettings({ text }: Doc, { settings }: Known): string[] {
  return (text.match(/\bBATCHWELL_[A-Z0-9_]*[A-Z0-9]\b/g) ?? []).filter(
    (name) => !settings.has(name) && !words.has(name),
  );
}

export function unknownMetrics({ text }: Doc, { metrics }: Known): string[] {
  return (text.match(/\bbatchwell_[a-z0-9_]*_[a-z0-9]+\b/g) ?? []).filter(
    (name) => !metrics.has(name),
  );
}

export function unknownAlerts({ text }: Doc, { alerts }: Known): string[] {
  return (text.match(/\bBatchwell[A-Z]\w+/g) ?? []).filter(
    (name) => !alerts.has(name) && !words.has(name),
  );
}

/** `sweeper-failed`: events, places, kinds of faults and failures; all stand in the code as they are. */
export function unknownEvents({ text }: Doc): string[] {
  return codeSpans(text)
    .filter((span) => /^[a-z]+(-[a-z]+)+$/.test(span))
    .filter((name) => !logEvents.has(name) && !words.has(name) && !FOREIGN_NAMES.has(name));
}

/** Of spans that are a name or a call: `submitMany`, `client.events()`, `waitFor(id)`. */
export function unknownFunctions({ text }: Doc): string[] {
  return codeSpans(text)
    .map((span) => /^(?:\w+\.)*([A-Za-z]\w*)(\(.*\))?$/.exec(span))
    .filter(
      (match) => match !== null && (match[2] !== undefined || /[a-z][A-Z]/.test(match[1] ?? '')),
    )
    .map((match) => match?.[1] ?? '')
    .filter((name) => !words.has(name) && !FOREIGN_NAMES.has(name));
}

const FILE = /^[\w.@*-]+(?:\/[\w.@*-]+)*(?:\.(?:ts|mjs|md|yml|json|awk|env|conf)|\/)$/;

export function unknownFiles({ path, text }: Doc): string[] {
  // What the reader is asked to save, or a command of the document writes.
  const made = new Set([
    ...blocksOf(text).flatMap(({ file }) => file ?? []),
    ...[...text.matchAll(/(?:>\s*|--output )([\w.-]+)/g)].flatMap(([, file]) => file ?? []),
  ]);
  return codeSpans(text)
    .flatMap((span) => span.split(' '))
    .filter((span) => FILE.test(span) && !NOT_IN_THE_REPOSITORY.has(span) && !made.has(span))
    .filter((file) => {
      const places = [file, `${posix.dirname(path)}/${file}`];
      // A name without a path: somewhere below.
      if (!file.slice(0, -1).includes('/')) places.push(`{*,*/*,*/*/*}/${file}`);
      return globSync(places, { cwd: repositoryRoot }).length === 0;
    });
}

/** `npm run X` and `npm test`, in text and in blocks. */
export function unknownScripts({ path, text }: Doc): string[] {
  const scripts = ['package.json', `${posix.dirname(path)}/package.json`].flatMap((file) =>
    !exists(file)
      ? []
      : Object.keys((JSON.parse(readRepositoryFile(file)) as { scripts?: object }).scripts ?? {}),
  );
  return [...text.matchAll(/\bnpm (?:run (?:--\S+ )*(\w[\w:-]*)|(test|start))/g)]
    .map(([, run, plain]) => run ?? plain ?? '')
    .filter((name) => !scripts.includes(name));
}

/** Commands with an option or a subcommand that commander does not know. */
export function unknownCommands({ text }: Doc, { program }: Known): string[] {
  return [...codeSpans(text), ...fencedLines(text)]
    .map(
      (line) =>
        /^\s*(?:\$ )?(?:npm run |npx )?batchwell (?:-- )?([^#|>]+)/.exec(line)?.[1]?.trim() ?? '',
    )
    .filter((line) => line !== '' && line !== '…' && !isCommand(program, line.split(/\s+/)));
}

function isCommand(program: Command, given: readonly string[]): boolean {
  let command = program;
  let rest = given;
  for (;;) {
    const [word] = rest;
    const next = command.commands.find(
      (one) => word !== undefined && [one.name(), ...one.aliases()].includes(word),
    );
    if (next === undefined) break;
    command = next;
    rest = rest.slice(1);
  }
  const [word = ''] = rest;
  const needsSubcommand = command.commands.length > 0 && !word.startsWith('-');
  const flags = rest.flatMap((one) => /^\[?(--?[a-z][\w-]*)/.exec(one)?.[1] ?? []);
  return (!needsSubcommand || word === '') && flags.every((flag) => knowsOption(command, flag));
}

function knowsOption(command: Command, flag: string): boolean {
  if (['--help', '-h'].includes(flag)) return true;
  const own = command.options.some(({ long, short }) => flag === long || flag === short);
  return own || (command.parent !== null && knowsOption(command.parent, flag));
}

/** A span that is an option alone, such as `--follow`: some program must have it. */
export function unknownOptions({ text }: Doc, { program }: Known): string[] {
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
  return codeSpans(text)
    .flatMap((span) => /^(--[a-z][a-z-]*)(?:[ =][A-Z]+)?$/.exec(span)?.[1] ?? [])
    .filter((flag) => !FOREIGN_OPTIONS.has(flag) && !otherOptions.has(flag.slice(2)))
    .filter((flag) => !all(program).some((command) => knowsOption(command, flag)));
}

/** `/tasks/:id::cancel` as Fastify writes it, in the form of the docs: `/tasks/{}:cancel`. */
const fromFastify = (path: string): string =>
  path
    .replaceAll('::', '\n')
    .replaceAll(/:\w+(?:\([^)]*\))?/g, '{}')
    .replaceAll('\n', ':');

const routes = new Set(
  repositoryFiles('api/**/*.ts', 'packages/local-aws/**/*.ts').flatMap((path) =>
    [...readRepositoryFile(path).matchAll(/['\s](\/[^'\s]*)'/g)].map(([, route = '']) =>
      fromFastify(route),
    ),
  ),
);

/** `GET /v1/tasks/{id}`: the path alone, without its query. */
export function unknownRoutes({ text }: Doc): string[] {
  return codeSpans(text)
    .map((span) => /^(?:GET|POST|PUT|PATCH|DELETE) (\/[^?[]*)/.exec(span)?.[1] ?? '')
    .filter((path) => path !== '')
    .filter((path) => {
      const shape = path.trim().replaceAll(/\{[^}]*\}|<[^>]*>|(?<=\/)[A-Z]+$/g, '{}');
      const below = shape.replace(/^\/(?:v1|ga4gh\/tes\/v1)(?=\/)/, '');
      return ![shape, below, shape.replace(/\{\}$/, '')].some((one) => routes.has(one));
    });
}

const slug = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => slug(heading));

interface Link {
  target: string;
  /** Relative to the root. */
  file: string;
  anchor: string | undefined;
}

const relativeLinks = ({ path, text }: Doc): Link[] =>
  [...text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, target = '']) => {
    const [file = '', anchor] = target.split('#');
    return { target, anchor, file: file === '' ? path : posix.join(posix.dirname(path), file) };
  });

export const brokenLinks = (doc: Doc): string[] =>
  relativeLinks(doc)
    .filter(({ file }) => !exists(file))
    .map(({ target }) => target);

export const brokenAnchors = (doc: Doc): string[] =>
  relativeLinks(doc)
    .filter(({ file, anchor }) => anchor !== undefined && file.endsWith('.md') && exists(file))
    .filter(({ file, anchor = '' }) => !anchorsOf(readRepositoryFile(file)).includes(anchor))
    .map(({ target }) => target);
