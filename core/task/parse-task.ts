/**
 * core/task holds what a task is and how it is read. This file reads a TES task as clients really
 * send it: null for what is not set, unknown fields, empty resources, bare paths and file:// URLs.
 * Nothing is looked up: an input that does not exist is accepted here and reported later.
 */
import { refuseForbidden } from '../access/access.ts';
import { mapPaths } from '../files/path-map.ts';
import type { Problem } from '../problems.ts';
import { hasScript, isCall } from '../profiles/cromwell.ts';
import type { SentTask } from '../profiles/profile.ts';
import type { ProfileName } from '../profiles/profile-names.ts';
import { profiles, recogniseClient } from '../profiles/profiles.ts';
import { readExecutor, refuseOtherImages } from './parse-executor.ts';
import { refuseSharedPaths, refuseSharedUrls } from './check-places.ts';
import { readInput, readOutput, readVolumes } from './parse-files.ts';
import { refusePaths } from './parse-paths.ts';
import { parseResources, type ResourceDefaults } from './parse-resources.ts';
import { cacheTag, mergeTag, profileTag, readTags } from './parse-tags.ts';
import { listOf, pathOf, rawOf, readObject, refuse, textOf, type Source } from './read-fields.ts';
import type { CacheMode, MergeMode, NewTask, TaskSpec } from './task.ts';

export interface AcceptableTask {
  task: NewTask;
  /** Shown to the caller in system_logs. */
  warnings: string[];
}
export type ParsedTask = AcceptableTask | { problems: Problem[] };

/** MySQL's TEXT. */
const LONGEST_DESCRIPTION_BYTES = 65_535;
const LONGEST_NAME = 255;

/** Values for what a task does not set, and the limits on what it may name. */
export interface TaskDefaults extends ResourceDefaults {
  cache: CacheMode;
  /** `on` when absent. */
  merge?: MergeMode | undefined;
  /** The client profile of its tasks; recognised from each task's shape when absent. */
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
  const tags = readTags(reader);
  const sender = { isCromwell: isFromCromwell(reader, { description, tags }, defaults.profile) };
  const inputs = readEach(reader, 'inputs', (input) => readInput(input, sender));
  const outputs = readEach(reader, 'outputs', (output) => readOutput(output, sender));
  const executors = readEach(reader, 'executors', readExecutor);
  const given = rawOf(reader, 'executors');
  if (given === undefined || (Array.isArray(given) && given.length === 0))
    refuse(reader, 'executors', 'at least one executor');
  refuseOtherImages(executors, problems);
  const volumes = readVolumes(reader);
  refuseSharedPaths(inputs, problems);
  refuseSharedUrls(outputs, defaults.pathMap, problems);
  // Positions are known only while nothing was left out.
  if (problems.length === 0) refusePaths({ inputs, outputs, executors, volumes }, problems);
  const { resources, warnings, ...asked } = parseResources(
    reader,
    defaults,
    executors[0]?.image ?? '',
  );
  const modes = modesOf(asked, { tags, problems, defaults });
  const named = profileTag(tags, problems, defaults.profile);
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
  // A task without outputs has no results to reuse. Toil sends equal ones on purpose and relies on
  // each being run.
  const cache = outputs.length === 0 ? 'off' : modes.cache;
  return { task: { name, description, tags, ...modes, cache, profile, spec }, warnings };
}

type Modes = Pick<NewTask, 'cache' | 'merge'>;

/** A backend parameter wins over a tag, and a tag over the defaults. */
function modesOf(
  asked: { cache: CacheMode | undefined; merge: MergeMode | undefined },
  from: { tags: Record<string, string>; problems: Problem[]; defaults: TaskDefaults },
): Modes {
  const { tags, problems, defaults } = from;
  const merge = asked.merge ?? mergeTag(tags, problems) ?? defaults.merge;
  return {
    cache: asked.cache ?? cacheTag(tags, problems) ?? defaults.cache,
    ...(merge === 'off' && { merge }),
  };
}

function asClientMeans(
  sent: SentTask,
  named: ProfileName | undefined,
): { profile: ProfileName; spec: TaskSpec } {
  const profile = named ?? recogniseClient(sent);
  return { profile, spec: profiles[profile].adapt?.(sent.spec, sent) ?? sent.spec };
}

/** Known before its files are read, because it decides how they are. */
function isFromCromwell(
  task: Source,
  facts: Pick<SentTask, 'description' | 'tags'>,
  profile: ProfileName | undefined,
): boolean {
  const given = rawOf(task, 'inputs');
  const inputs = (Array.isArray(given) ? given : []).flatMap((item: unknown) => {
    const input = readObject(item, '', []);
    const [name, path] = input ? [rawOf(input, 'name'), rawOf(input, 'path')] : [];
    return typeof path === 'string' ? { path, ...(typeof name === 'string' && { name }) } : [];
  });
  const named = profileTag(facts.tags, [], profile);
  return named === undefined
    ? isCall({ ...facts, spec: { inputs } })
    : named === 'cromwell' && hasScript({ inputs });
}

function readEach<T>(task: Source, name: string, read: (item: Source) => T | undefined): T[] {
  return listOf(task, name).flatMap((item, index) => {
    const reader = readObject(item, `${pathOf(task, name)}[${index}]`, task.problems);
    return (reader && read(reader)) ?? [];
  });
}
