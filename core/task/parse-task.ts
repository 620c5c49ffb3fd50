/**
 * Reads a TES task as clients really send it: null for what is not set, unknown fields, empty resources, bare
 * paths and file:// urls. Nothing is looked up: an input that does not exist is accepted here and named later.
 */
import { refuseForbidden, type Boundaries } from '../access/access.ts';
import { CONTAINER_PATH, containerPath, hasWildcard } from '../container/container-path.ts';
import { inputUrlProblem, outputUrlProblem, type UrlRule } from '../files/file-url.ts';
import { parseResources } from './parse-resources.ts';
import { mapPaths } from '../files/path-map.ts';
import { problemAt, type Problem } from '../problems.ts';
import type { SentTask } from '../profiles/profile.ts';
import { profileNames, profiles, recogniseClient, type ProfileName } from '../profiles/profiles.ts';
import {
  flagOf,
  listOf,
  pathOf,
  rawOf,
  readObject,
  readText,
  refuse,
  textMapOf,
  textOf,
  textsOf,
  type MapRules,
  type Source,
  type TextRule,
} from './read-fields.ts';
import {
  cacheModes,
  type CacheMode,
  type ExecutorOf,
  type FileType,
  type InputOf,
  type NewTask,
  type OutputOf,
  type TaskSpec,
} from './task.ts';

export interface AcceptableTask {
  task: NewTask;
  /** Shown to the caller in system_logs. */
  warnings: string[];
}
export type ParsedTask = AcceptableTask | { problems: Problem[] };

/** TES asks for at least 128 KiB. */
export const LONGEST_CONTENT_BYTES = 131_072;
/** MySQL's TEXT. */
const LONGEST_DESCRIPTION_BYTES = 65_535;
const LONGEST_NAME = 255;
const LONGEST_TAG_KEY = 128;
const MOST_TAGS = 256;
const LONGEST_TAG_VALUE = 255;
/** PATH_MAX of Linux; a path longer than this no program can open. */
const LONGEST_PATH_BYTES = 4096;
const LONGEST_URL = 8192;
/** Linux's MAX_ARG_STRLEN: no longer argument or variable can be given to a program. */
const LONGEST_ARGUMENT_BYTES = 131_071;

/** A tag that says how a task uses the call cache. */
export const CACHE_TAG = 'batchwell.cache';

/** A tag that says which client's habits a task follows, where its shape does not tell. */
export const PROFILE_TAG = 'batchwell.profile';

/** What holds for tasks that do not say, and what none of them may name. */
export interface TaskDefaults extends Boundaries {
  cache: CacheMode;
  /** Which client's habits they follow; seen from each task's shape when absent. */
  profile?: ProfileName | undefined;
}

/** All problems of a task at once, or the task. */
export function parseTesTask(input: unknown, defaults: TaskDefaults): ParsedTask {
  const problems: Problem[] = [];
  const reader = readObject(input, '', problems);
  if (!reader) return { problems };

  const name = textOf(reader, 'name', { longest: LONGEST_NAME }) ?? '';
  const description =
    textOf(reader, 'description', { longestBytes: LONGEST_DESCRIPTION_BYTES }) ?? '';
  const tags = textMapOf(reader, 'tags', TAG_RULES);
  if (Object.keys(tags).length > MOST_TAGS)
    refuse(reader, 'tags', `at most ${MOST_TAGS} tags`, Object.keys(tags).length);
  const inputs = readEach(reader, 'inputs', readInput);
  const outputs = readEach(reader, 'outputs', readOutput);
  const executors = readEach(reader, 'executors', readExecutor);
  const given = rawOf(reader, 'executors');
  if (given === undefined || (Array.isArray(given) && given.length === 0))
    refuse(reader, 'executors', 'at least one executor');
  refuseOtherImages(executors, problems);
  const volumes = listOf(reader, 'volumes').flatMap(
    (item, index) => readPathItem(item, `volumes[${index}]`, problems) ?? [],
  );
  refuseSharedPaths(inputs, problems);
  const { resources, cache, warnings } = parseResources(reader, defaults);
  const mode = cache ?? cacheTag(tags, problems) ?? defaults.cache;
  const named = profileTag(tags, problems, defaults);
  refuseForbidden({ inputs, outputs, resources }, defaults, problems);
  if (problems.length > 0) return { problems };

  const { profile, spec } = asClientMeans(
    {
      name,
      description,
      tags,
      spec: mapPaths({ inputs, outputs, executors, resources, volumes }, defaults.pathMap),
    },
    named,
  );
  // A task without outputs has nothing to give back: Toil sends equal ones on purpose and counts on each being run.
  return {
    task: { name, description, tags, cache: outputs.length === 0 ? 'off' : mode, profile, spec },
    warnings,
  };
}

function asClientMeans(
  sent: SentTask,
  named: ProfileName | undefined,
): { profile: ProfileName; spec: TaskSpec } {
  const profile = named ?? recogniseClient(sent);
  return { profile, spec: profiles[profile].adapt?.(sent.spec) ?? sent.spec };
}

const goodTagKey = (key: string): boolean =>
  key !== '' && key.length <= LONGEST_TAG_KEY && !key.includes('\0') && key.isWellFormed();

export const TAG_RULES: MapRules = {
  key: (key) => (goodTagKey(key) ? undefined : `a key of 1 to ${LONGEST_TAG_KEY} characters`),
  value: { longest: LONGEST_TAG_VALUE },
};

/** The mode in a tag, for clients that cannot set backend parameters. */
export function cacheTag(tags: Record<string, string>, problems: Problem[]): CacheMode | undefined {
  const text = Object.hasOwn(tags, CACHE_TAG) ? tags[CACHE_TAG] : undefined;
  if (text === undefined || text === '') return undefined;
  const mode = cacheModes.find((one) => one === text);
  if (mode === undefined)
    problems.push(problemAt(`tags["${CACHE_TAG}"]`, `one of ${cacheModes.join(', ')}`, text));
  return mode;
}

function profileTag(
  tags: Record<string, string>,
  problems: Problem[],
  defaults: TaskDefaults,
): ProfileName | undefined {
  const text = Object.hasOwn(tags, PROFILE_TAG) ? tags[PROFILE_TAG] : undefined;
  if (text === undefined || text === '') return defaults.profile;
  const profile = profileNames.find((one) => one === text);
  if (profile === undefined)
    problems.push(problemAt(`tags["${PROFILE_TAG}"]`, `one of ${profileNames.join(', ')}`, text));
  return profile;
}

function readEach<T>(task: Source, name: string, read: (item: Source) => T | undefined): T[] {
  return listOf(task, name).flatMap((item, index) => {
    const reader = readObject(item, `${pathOf(task, name)}[${index}]`, task.problems);
    return (reader && read(reader)) ?? [];
  });
}

const optional = <K extends string, T>(key: K, value: T | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: T };

function readInput(input: Source): InputOf<string> | undefined {
  const given = textOf(input, 'path', { required: true, longestBytes: LONGEST_PATH_BYTES });
  const path = checkPath(input, 'path', given);
  const source = readSource(input);
  const type = readType(input, { ...source, path: given });
  if (source.url !== undefined) checkUrl(input, source.url, inputUrlProblem, type === 'DIRECTORY');
  else if (type === 'DIRECTORY') refuse(input, 'type', 'FILE, since content is given', type);
  return path === undefined ? undefined : { ...namesOf(input), ...source, path, type };
}

/** Either a url or a content. An empty content counts only where no url says what the file holds. */
function readSource(input: Source): { url?: string; content?: string } {
  const content = textOf(input, 'content', { longestBytes: LONGEST_CONTENT_BYTES });
  if (content) return { content };
  const url = textOf(input, 'url', { longest: LONGEST_URL, emptyIsAbsent: true });
  if (url !== undefined) return { url };
  const nothing = rawOf(input, 'content') === undefined && (rawOf(input, 'url') ?? '') === '';
  if (nothing) refuse(input, 'url', 'a url, or content instead');
  return { content: '' };
}

function readOutput(output: Source): OutputOf<string> | undefined {
  const given = textOf(output, 'path', { required: true, longestBytes: LONGEST_PATH_BYTES });
  const url = textOf(output, 'url', { required: true, longest: LONGEST_URL, emptyIsAbsent: true });
  const path = checkPath(output, 'path', given);
  if (path === undefined || url === undefined) return undefined;
  const wildcard = hasWildcard(path);
  const type = readType(output, { ...(!wildcard && { url }), path: given });
  checkUrl(output, url, outputUrlProblem, wildcard || type === 'DIRECTORY');
  const prefix = wildcard ? readPrefix(output, path) : undefined;
  return { ...namesOf(output), url, path, ...optional('path_prefix', prefix), type };
}

/** What is cut from the front of every match of a wildcard. */
function readPrefix(output: Source, path: string): string | undefined {
  const given = textOf(output, 'path_prefix', {
    longestBytes: LONGEST_PATH_BYTES,
    emptyIsAbsent: true,
  });
  if (given === undefined)
    return refuse(
      output,
      'path_prefix',
      `the front part of ${path} that is cut off, since the path holds wildcards`,
    );
  const prefix = given.replaceAll(/\/{2,}/g, '/');
  if (hasWildcard(prefix) || !path.startsWith(prefix))
    return refuse(
      output,
      'path_prefix',
      `a text without wildcards that ${path} begins with`,
      given,
    );
  return prefix;
}

const namesOf = (file: Source) => ({
  ...optional('name', textOf(file, 'name', { emptyIsAbsent: true, longest: 1024 })),
  ...optional('description', textOf(file, 'description', { emptyIsAbsent: true, longest: 16_384 })),
});

/** FILE or DIRECTORY. Clients leave it out, and mean a directory by a slash at the end. */
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
  if (wrong !== undefined) refuse(file, 'url', wrong, url);
}

function checkPath(reader: Source, name: string, given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const path = containerPath(given);
  return path === undefined || (path === '/' && name !== 'workdir')
    ? refuse(reader, name, CONTAINER_PATH, given)
    : path;
}

function readPathItem(item: unknown, at: string, problems: Problem[]): string | undefined {
  const given = readText(item, at, { longestBytes: LONGEST_PATH_BYTES }, problems);
  if (given === undefined) return undefined;
  const path = containerPath(given);
  if (path === undefined || path === '/') problems.push(problemAt(at, CONTAINER_PATH, item));
  return path;
}

/** Two inputs at one path would overwrite each other, in an order that nobody chose. */
function refuseSharedPaths(inputs: readonly InputOf<string>[], problems: Problem[]): void {
  const first = new Map<string, number>();
  inputs.forEach((input, index) => {
    const earlier = first.get(input.path);
    if (earlier === undefined) first.set(input.path, index);
    else if (inputs[earlier]?.url !== input.url || inputs[earlier]?.content !== input.content) {
      problems.push(
        problemAt(
          `inputs[${index}].path`,
          `a path of its own; inputs[${earlier}] has the same`,
          input.path,
        ),
      );
    }
  });
}

/** A task runs in one container (docs/adr/0007-one-image-per-task.md). */
function refuseOtherImages(executors: readonly ExecutorOf<string>[], problems: Problem[]): void {
  const [first] = executors;
  executors.forEach(({ image }, index) => {
    if (first && image !== first.image)
      problems.push(
        problemAt(
          `executors[${index}].image`,
          `the image of executors[0], ${first.image}: a task runs in one container`,
          image,
        ),
      );
  });
}

const STREAM: TextRule = { emptyIsAbsent: true, longestBytes: LONGEST_PATH_BYTES };

function readExecutor(executor: Source): ExecutorOf<string> | undefined {
  const image = textOf(executor, 'image', { required: true, emptyIsAbsent: true, longest: 1024 });
  if (image !== undefined && !/^[\x21-\x7e]+$/.test(image))
    refuse(executor, 'image', 'the name of a container image, without spaces', image);
  const command = readCommand(executor);
  const streams = ['workdir', 'stdin', 'stdout', 'stderr'].map((name) => [
    name,
    checkPath(executor, name, textOf(executor, name, STREAM)),
  ]);
  const env = textMapOf(executor, 'env', {
    key: (key) =>
      /^[A-Za-z_][A-Za-z0-9_]*$/.test(key)
        ? undefined
        : 'a variable’s name: letters, digits and _, not beginning with a digit',
    value: { longestBytes: LONGEST_ARGUMENT_BYTES, secret: true },
  });
  const ignoreError = flagOf(executor, 'ignore_error');
  if (image === undefined) return undefined;
  return {
    image,
    command,
    ...Object.fromEntries(streams.filter(([, path]) => path !== undefined)),
    ...(Object.keys(env).length > 0 && { env }),
    ...optional('ignore_error', ignoreError),
  };
}

function readCommand(executor: Source): string[] {
  const command = textsOf(executor, 'command', { longestBytes: LONGEST_ARGUMENT_BYTES });
  const given = rawOf(executor, 'command');
  const empty =
    given === undefined || (Array.isArray(given) && (given.length === 0 || given[0] === ''));
  if (empty) refuse(executor, 'command', 'a list of texts that begins with a program', given);
  return command;
}
