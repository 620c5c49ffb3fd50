/** Reads a task's `resources`, in TES's words, as a client sent them. */
import type { Boundaries } from '../access/access.ts';
import type { Offers } from '../access/offers.ts';
import {
  flagOf,
  numberOf,
  pathOf,
  rawOf,
  readObject,
  textMapOf,
  textsOf,
  type Source,
} from './read-fields.ts';
import { memberPath, problemAt, type Problem } from '../problems.ts';
import { MAX_AGE_FORM, parseMaxAge } from '../cache/policy.ts';
import { isQueueName } from '../submission/on-demand.ts';
import { optionParameters, parseOptions } from './parse-options.ts';
import { placeTask } from './parse-placement.ts';
import {
  cacheModes,
  mergeModes,
  type CacheMode,
  type MergeMode,
  type Resources,
  type TaskSpec,
} from './task.ts';

/** The keys of resources.backend_parameters that Batchwell knows; keys ignore case. */
export const backendParameters = [
  'queue',
  'queueArn',
  'timeout',
  'jobTimeout',
  'cache',
  'merge',
  'cache_max_age',
  'missing_outputs',
  'priority',
  'share_identifier',
  'job_role',
  ...optionParameters,
] as const;
/**
 * Cromwell sends it with every task, and Batchwell does not need it. A warning each time would only
 * hide others.
 */
const IGNORED = new Set(['internal_path_prefix']);
type BackendParameter = (typeof backendParameters)[number];

export interface ParsedResources {
  resources: Resources;
  /** From the parameters `cache` and `merge`. */
  cache: CacheMode | undefined;
  merge: MergeMode | undefined;
  warnings: string[];
}

/** For tasks that do not set them. */
type DefaultAmounts = Pick<Resources, 'cpu_cores' | 'ram_gb' | 'disk_gb'>;
const FALLBACK: DefaultAmounts = { cpu_cores: 1, ram_gb: 2, disk_gb: 10 };

/** What a task gets that names no queue, CPU, memory or disk. */
export interface ResourceDefaults extends Boundaries {
  amounts?: DefaultAmounts | undefined;
}

/** AWS's largest hosts have 896 vCPUs and 32 TiB of memory; an EBS volume has at most 64 TiB. */
const LIMITS = {
  cpu: { least: 0, most: 1024, unit: 'vCPUs', zeroIsAbsent: true },
  ram: { least: 0, most: 32_768, unit: 'GiB', zeroIsAbsent: true },
  disk: { least: 0, most: 65_536, unit: 'GiB', zeroIsAbsent: true },
} as const;

const LEAST_TIMEOUT_SECONDS = 60;
const MOST_TIMEOUT_SECONDS = 365 * 24 * 3600;
/** Of Batch's schedulingPriorityOverride (AWS Batch API, SubmitJob). */
const MOST_PRIORITY = 9999;

/** The first of the limits' queues is used for tasks that do not name one. */
export function parseResources(
  task: Source,
  defaultsOf: ResourceDefaults,
  image: string,
): ParsedResources {
  const { offers, amounts, limits: { queues } = {} } = defaultsOf;
  const queue = queues?.[0];
  const given = rawOf(task, 'resources');
  const reader = readObject(given ?? {}, pathOf(task, 'resources'), task.problems);
  const defaults: Resources = {
    ...(amounts ?? FALLBACK),
    preemptible: false,
    ...(queue !== undefined && { queue }),
  };
  if (!reader) return { resources: defaults, cache: undefined, merge: undefined, warnings: [] };

  const { known, warnings } = readParameters(reader);
  const cache = choiceOf(reader, known, { name: 'cache', choices: cacheModes });
  const merge = choiceOf(reader, known, { name: 'merge', choices: mergeModes });
  checkMissingOutputs(reader, known);
  checkMaxAge(reader, known);
  const place = placeOf(reader, known, { offers, queues });
  return {
    resources: {
      // TES 1.1 says integer; the 1.2 draft allows fractions, and Batch takes whole vCPUs on EC2.
      cpu_cores: Math.ceil(numberOf(reader, 'cpu_cores', LIMITS.cpu) ?? defaults.cpu_cores),
      ram_gb: numberOf(reader, 'ram_gb', LIMITS.ram) ?? defaults.ram_gb,
      disk_gb: defaults.disk_gb,
      ...place.resources,
      ...timeoutOf(reader, known),
      ...priorityOf(reader, known),
      ...shareOf(reader, known),
      ...jobRoleOf(reader, known),
      ...(known.size > 0 && { backend_parameters: Object.fromEntries(known) }),
      ...parseOptions({
        valueOf: (names) => valueOf(known, names),
        refuse: (name, expected, got) => refuseParameter(reader, name, expected, got),
        offers,
        image,
      }),
    },
    cache,
    merge,
    warnings: [...warnings, ...place.warnings],
  };
}

/**
 * Reads once more what an accepted task asked for: another token, or other settings, may allow less
 * now, and have other defaults.
 */
export function askAgain(
  { resources: asked, executors }: Pick<TaskSpec, 'resources' | 'executors'>,
  defaults: ResourceDefaults,
  problems: Problem[],
): Pick<ParsedResources, 'resources' | 'warnings'> {
  const { cpu_cores, ram_gb, disk_gb, preemptible, zones, backend_parameters } = asked;
  const isOwnDisk = disk_gb !== (defaults.amounts ?? FALLBACK).disk_gb;
  const resources = {
    cpu_cores,
    ram_gb,
    ...(isOwnDisk && { disk_gb }),
    preemptible,
    zones,
    backend_parameters,
  };
  const task = { value: { resources }, path: '', problems };
  return parseResources(task, defaults, executors[0]?.image ?? '');
}

/** What says on which hosts it runs. */
function placeOf(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
  limits: { offers: Offers | undefined; queues: readonly string[] | undefined },
): { resources: Partial<Resources> & Pick<Resources, 'preemptible'>; warnings: string[] } {
  const diskGb = numberOf(resources, 'disk_gb', LIMITS.disk);
  const preemptible = flagOf(resources, 'preemptible') ?? false;
  const { zones } = zonesOf(resources);
  const { placed, warnings } = placeTask(
    resources,
    { queue: queueOf(resources, known), preemptible, zones: zones ?? [], diskGb },
    limits,
  );
  return {
    resources: {
      ...(diskGb !== undefined && { disk_gb: diskGb }),
      preemptible,
      ...placed,
      ...(zones && { zones }),
    },
    warnings,
  };
}

/** TES defines a list; some clients send one string. */
function zonesOf(resources: Source): Pick<Resources, 'zones'> {
  const given = rawOf(resources, 'zones');
  const zones = typeof given === 'string' ? [given] : textsOf(resources, 'zones', { longest: 128 });
  return zones.length > 0 ? { zones } : {};
}

/**
 * The known parameters under their own spelling. Unknown ones are left out with a warning, as TES
 * requires.
 */
function readParameters(resources: Source): {
  known: Map<BackendParameter, string>;
  warnings: string[];
} {
  const strict = flagOf(resources, 'backend_parameters_strict') ?? false;
  const given = textMapOf(resources, 'backend_parameters', { value: { longest: 4096 } });
  const known = new Map<BackendParameter, string>();
  const warnings: string[] = [];
  for (const [key, value] of Object.entries(given)) {
    if (IGNORED.has(key.toLowerCase())) continue;
    const name = backendParameters.find((one) => one.toLowerCase() === key.toLowerCase());
    if (name) known.set(name, value);
    else if (strict)
      refuseParameter(
        resources,
        key,
        `one of ${backendParameters.join(', ')}, because backend_parameters_strict is true`,
      );
    else
      warnings.push(
        `The backend parameter ${JSON.stringify(key)} is unknown and was ignored. ` +
          `Known parameters: ${backendParameters.join(', ')}.`,
      );
  }
  return { known, warnings };
}

function refuseParameter(
  resources: Source,
  name: string,
  expected: string,
  got?: string,
): undefined {
  const problem: Problem = problemAt(
    memberPath(pathOf(resources, 'backend_parameters'), name),
    expected,
    got,
  );
  resources.problems.push(problem);
  return undefined;
}

/** The first of some names that has a value; an empty one counts as absent. */
function valueOf<N extends BackendParameter>(
  known: ReadonlyMap<BackendParameter, string>,
  names: readonly N[],
): { name: N; text: string } | undefined {
  for (const name of names) {
    const text = known.get(name);
    if (text !== undefined && text !== '') return { name, text };
  }
  return undefined;
}

function queueOf(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
): string | undefined {
  const { name = 'queue', text } = valueOf(known, ['queue', 'queueArn']) ?? {};
  if (text !== undefined && !isQueueName(text))
    refuseParameter(resources, name, 'the name or ARN of a Batch job queue', text);
  return text;
}

function timeoutOf(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
): Pick<Resources, 'timeout_seconds'> {
  const name = known.has('timeout') ? 'timeout' : 'jobTimeout';
  const text = known.get(name);
  if (text === undefined || text === '') return {};
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  const fits = seconds >= LEAST_TIMEOUT_SECONDS && seconds <= MOST_TIMEOUT_SECONDS;
  if (!fits)
    refuseParameter(
      resources,
      name,
      `a whole number of seconds from ${LEAST_TIMEOUT_SECONDS} to ${MOST_TIMEOUT_SECONDS}`,
      text,
    );
  return { timeout_seconds: seconds };
}

function priorityOf(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
): Pick<Resources, 'priority'> {
  const text = known.get('priority');
  if (text === undefined || text === '') return {};
  if (!/^\d{1,4}$/.test(text))
    refuseParameter(
      resources,
      'priority',
      `a whole number from 0 to ${MOST_PRIORITY}; higher runs first`,
      text,
    );
  return { priority: Number(text) };
}

function shareOf(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
): Pick<Resources, 'share'> {
  const text = known.get('share_identifier');
  if (text === undefined || text === '') return {};
  if (!/^[A-Za-z0-9]{1,255}$/.test(text))
    refuseParameter(resources, 'share_identifier', '1 to 255 letters and digits', text);
  return { share: text };
}

function jobRoleOf(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
): Pick<Resources, 'job_role'> {
  const text = known.get('job_role');
  if (text === undefined || text === '') return {};
  if (!/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/.test(text))
    refuseParameter(resources, 'job_role', 'the ARN of an IAM role', text);
  return { job_role: text };
}

function choiceOf<T extends string>(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
  { name, choices }: { name: BackendParameter; choices: readonly T[] },
): T | undefined {
  const text = known.get(name);
  if (text === undefined) return undefined;
  return (
    choices.find((choice) => choice === text) ??
    refuseParameter(resources, name, `one of ${choices.join(', ')}`, text)
  );
}

function checkMaxAge(resources: Source, known: ReadonlyMap<BackendParameter, string>): void {
  const text = known.get('cache_max_age');
  if (text !== undefined && parseMaxAge(text) === undefined)
    refuseParameter(resources, 'cache_max_age', MAX_AGE_FORM, text);
}

/** With `missing_outputs=fail` a missing output fails the task; otherwise it is a warning. */
function checkMissingOutputs(
  resources: Source,
  known: ReadonlyMap<BackendParameter, string>,
): void {
  const text = known.get('missing_outputs');
  if (text !== undefined && text !== 'warn' && text !== 'fail')
    refuseParameter(resources, 'missing_outputs', 'warn or fail', text);
}
