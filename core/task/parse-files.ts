/** Reads a task's inputs, outputs and volumes: URLs, types and paths in the container. */
import { CONTAINER_PATH, containerPath } from '../container/container-path.ts';
import { inputUrlProblem, outputUrlProblem, type UrlRule } from '../files/file-url.ts';
import { isPattern, literalStart, unescapePath } from '../files/path-pattern.ts';
import { namesUser } from '../files/url-secrets.ts';
import { problemAt, type Problem } from '../problems.ts';
import { nameProblem } from './parse-paths.ts';
import { listOf, optional, rawOf, readText, refuse, textOf, type Source } from './read-fields.ts';
import type { FileType, InputOf, OutputOf } from './task.ts';

/** TES asks for at least 128 KiB. */
const LONGEST_CONTENT_BYTES = 131_072;
/** Linux's PATH_MAX: a program cannot open a longer path. */
export const LONGEST_PATH_BYTES = 4096;
const LONGEST_URL = 8192;

/** Who sent the task, as far as it decides how its files are read. */
export interface Sender {
  isCromwell: boolean;
}

const CROMWELL_URLS =
  ' Cromwell sends a URL as a path where it has no file system for the URL. For s3:// URLs, set aws.auths, ' +
  'engine.filesystems.s3.auth, and filesystems.s3.auth of the provider in its configuration (docs/cromwell.md)';

export function readInput(input: Source, { isCromwell }: Sender): InputOf<string> | undefined {
  const given = textOf(input, 'path', { required: true, longestBytes: LONGEST_PATH_BYTES });
  const path = checkPath(input, 'path', given, { ifUrl: isCromwell ? CROMWELL_URLS : '' });
  const source = readSource(input);
  const type = readType(input, { ...source, path: given });
  if (source.url !== undefined) checkUrl(input, source.url, inputUrlProblem, type === 'DIRECTORY');
  else if (type === 'DIRECTORY') refuse(input, 'type', 'FILE, because content is given', type);
  return path === undefined ? undefined : { ...namesOf(input), ...source, path, type };
}

/** Either a URL or content. Empty content counts only when there is no URL. */
function readSource(input: Source): { url?: string; content?: string } {
  const content = textOf(input, 'content', { longestBytes: LONGEST_CONTENT_BYTES });
  if (content) return { content };
  const url = textOf(input, 'url', { longest: LONGEST_URL, emptyIsAbsent: true });
  if (url !== undefined) return { url };
  const nothing = rawOf(input, 'content') === undefined && (rawOf(input, 'url') ?? '') === '';
  if (nothing) refuse(input, 'url', 'a URL, or content instead');
  return { content: '' };
}

export function readOutput(output: Source, { isCromwell }: Sender): OutputOf<string> | undefined {
  const given = textOf(output, 'path', { required: true, longestBytes: LONGEST_PATH_BYTES });
  const url = textOf(output, 'url', { required: true, longest: LONGEST_URL, emptyIsAbsent: true });
  const path = checkPath(output, 'path', given, {
    ifUrl: isCromwell ? CROMWELL_URLS : '',
    hasEscapes: true,
  });
  if (path === undefined || url === undefined) return undefined;
  // Cromwell names each of its files, and never a pattern: `odd [1].txt` is the name of a file.
  const isName = isCromwell && rawOf(output, 'path_prefix') === undefined;
  const wildcard = !isName && isPattern(path);
  const type = readType(output, { ...(!wildcard && { url }), path: given });
  checkUrl(output, url, outputUrlProblem, wildcard || type === 'DIRECTORY');
  if (!wildcard) {
    const literal = isName ? path : unescapePath(path);
    const wrong = nameProblem(literal);
    if (wrong !== undefined) refuse(output, 'path', wrong, given);
    return { ...namesOf(output), url, path: literal, type };
  }
  const prefix = readPrefix(output, path);
  return { ...namesOf(output), url, path, ...optional('path_prefix', prefix), type };
}

/** The prefix that is removed from the path of every match, as files are named. It may be given with escapes. */
function readPrefix(output: Source, path: string): string | undefined {
  const given = textOf(output, 'path_prefix', {
    longestBytes: LONGEST_PATH_BYTES,
    emptyIsAbsent: true,
  });
  if (given === undefined)
    return refuse(
      output,
      'path_prefix',
      `the part of ${path} to remove from the path of each match, because the path contains wildcards ` +
        '(a name that contains *, ?, or [ ] is written with a backslash before each of them)',
    );
  const start = literalStart(path);
  const prefix = given.replaceAll(/\/{2,}/g, '/');
  return (
    [unescapePath(prefix), prefix].find((one) => start.startsWith(one)) ??
    refuse(output, 'path_prefix', `a prefix of ${path} without wildcards`, given)
  );
}

const namesOf = (file: Source) => ({
  ...optional('name', textOf(file, 'name', { emptyIsAbsent: true, longest: 1024 })),
  ...optional('description', textOf(file, 'description', { emptyIsAbsent: true, longest: 16_384 })),
});

/** FILE or DIRECTORY. Clients leave it out and mark a directory by a slash at the end. */
function readType(
  file: Source,
  ends: { url?: string | undefined; path: string | undefined },
): FileType {
  const given = rawOf(file, 'type') ?? '';
  if (given === 'DIRECTORY' || endsInSlash(ends.url)) return 'DIRECTORY';
  if (given === '') return endsInSlash(ends.path) ? 'DIRECTORY' : 'FILE';
  if (given !== 'FILE') refuse(file, 'type', 'FILE or DIRECTORY', given);
  else if (endsInSlash(ends.path))
    refuse(file, 'path', 'the path of a file, without a slash at the end', ends.path);
  return 'FILE';
}

const endsInSlash = (text: string | undefined): boolean => text?.endsWith('/') === true;

function checkUrl(file: Source, url: string, rule: UrlRule, directory: boolean): void {
  const wrong = rule(url, directory);
  if (wrong !== undefined) refuse(file, 'url', wrong, namesUser(url) ? undefined : url);
}

export function checkPath(
  reader: Source,
  name: string,
  given: string | undefined,
  { ifUrl = '', hasEscapes = false }: { ifUrl?: string; hasEscapes?: boolean } = {},
): string | undefined {
  if (given === undefined) return undefined;
  const path = containerPath(given);
  if (path === undefined || (path === '/' && name !== 'workdir'))
    return refuse(reader, name, pathExpected(given, ifUrl), given);
  // Of a pattern, and of escapes, the output itself knows what its names are.
  const wrong = hasEscapes ? undefined : nameProblem(path);
  return wrong === undefined ? path : refuse(reader, name, wrong, given);
}

const pathExpected = (given: string, ifUrl: string): string =>
  /^[a-z][a-z0-9+.-]*:\//i.test(given)
    ? `${CONTAINER_PATH}; this is a URL.${ifUrl}`.replace(/\.$/, '')
    : CONTAINER_PATH;

export function readVolumes(task: Source): string[] {
  return listOf(task, 'volumes').flatMap(
    (item, index) => readPathItem(item, `volumes[${index}]`, task.problems) ?? [],
  );
}

function readPathItem(item: unknown, at: string, problems: Problem[]): string | undefined {
  const given = readText(item, at, { longestBytes: LONGEST_PATH_BYTES }, problems);
  if (given === undefined) return undefined;
  const path = containerPath(given);
  const wrong = path === undefined || path === '/' ? CONTAINER_PATH : nameProblem(path);
  if (wrong !== undefined) problems.push(problemAt(at, wrong, item));
  return path;
}
