/** Reads a task's inputs, outputs and volumes: URLs, types and paths in the container. */
import { CONTAINER_PATH, containerPath } from '../container/container-path.ts';
import { inputUrlProblem, outputUrlProblem, type UrlRule } from '../files/file-url.ts';
import { isPattern, literalStart, unescapePath } from '../files/path-pattern.ts';
import { namesUser } from '../files/url-secrets.ts';
import { problemAt, type Problem } from '../problems.ts';
import { listOf, optional, rawOf, readText, refuse, textOf, type Source } from './read-fields.ts';
import type { FileType, InputOf, OutputOf } from './task.ts';

/** TES asks for at least 128 KiB. */
const LONGEST_CONTENT_BYTES = 131_072;
/** Linux's PATH_MAX: a program cannot open a longer path. */
export const LONGEST_PATH_BYTES = 4096;
const LONGEST_URL = 8192;

export function readInput(input: Source): InputOf<string> | undefined {
  const given = textOf(input, 'path', { required: true, longestBytes: LONGEST_PATH_BYTES });
  const path = checkPath(input, 'path', given);
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

export function readOutput(output: Source): OutputOf<string> | undefined {
  const given = textOf(output, 'path', { required: true, longestBytes: LONGEST_PATH_BYTES });
  const url = textOf(output, 'url', { required: true, longest: LONGEST_URL, emptyIsAbsent: true });
  const path = checkPath(output, 'path', given);
  if (path === undefined || url === undefined) return undefined;
  const wildcard = isPattern(path);
  const type = readType(output, { ...(!wildcard && { url }), path: given });
  checkUrl(output, url, outputUrlProblem, wildcard || type === 'DIRECTORY');
  if (!wildcard) return { ...namesOf(output), url, path: unescapePath(path), type };
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
): string | undefined {
  if (given === undefined) return undefined;
  const path = containerPath(given);
  return path === undefined || (path === '/' && name !== 'workdir')
    ? refuse(reader, name, CONTAINER_PATH, given)
    : path;
}

export function readVolumes(task: Source): string[] {
  return listOf(task, 'volumes').flatMap(
    (item, index) => readPathItem(item, `volumes[${index}]`, task.problems) ?? [],
  );
}

function readPathItem(item: unknown, at: string, problems: Problem[]): string | undefined {
  const given = readText(item, at, { longestBytes: LONGEST_PATH_BYTES }, problems);
  if (given === undefined) return undefined;
  const path = containerPath(given);
  if (path === undefined || path === '/') problems.push(problemAt(at, CONTAINER_PATH, item));
  return path;
}
