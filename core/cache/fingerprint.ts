/**
 * core/cache decides about call-cache hits. This file computes the fingerprint: a digest of what a
 * task does and of what it reads. What a caller merely chooses (output URLs, names, tags,
 * resources) is not part of it.
 */
import { forgetOldest } from '../forget-oldest.ts';
import { sha256 } from '../ids.ts';
import { missingOutputsFail } from '../result/outputs.ts';
import { containerPath } from '../container/container-path.ts';
import { nameIdentity } from '../image/image-name.ts';
import type { ExecutorOf, InputOf, TaskSpec } from '../task/task.ts';

/**
 * Must change whenever the meaning of a component changes. Entries of another version never match.
 * Since 3 a container runs as root unless told otherwise; before, as the USER of its image.
 */
const VERSION = '3';

/** Parts of a fingerprint by name, kept with an entry so that a miss can be explained. Never changed once made. */
export type Components = Readonly<Record<string, string>>;

const digests = new Map<string, string>();
const DIGESTS_KEPT = 1000;
const LONGEST_KEPT = 500;

/** The rows of a scatter have most short parts in common, and each digest is asked for once. */
function digest(value: unknown): string {
  const text = JSON.stringify(value);
  const found = digests.get(text);
  if (found !== undefined) return found;
  const made = sha256(text).toString('hex').slice(0, 32);
  if (text.length <= LONGEST_KEPT) {
    digests.set(text, made);
    forgetOldest(digests, DIGESTS_KEPT);
  }
  return made;
}

const sortedEntries = (env: Record<string, string> | undefined): [string, string][] =>
  Object.entries(env ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));

const executorIdentity = (one: ExecutorOf<string>) => [
  one.workdir ?? null,
  one.stdin ?? null,
  one.stdout ?? null,
  one.stderr ?? null,
  one.ignore_error ?? false,
];

/** What a fingerprint is made of besides the task itself. */
export interface FingerprintFacts {
  /** By position of the task's inputs: what each holds (core/cache/identity.ts). */
  identities: readonly string[];
  /** The digest of its image, where its registry told it; else what its name says. */
  image?: string;
  /** What the installation adds and a task can notice, by name: its job role, say. */
  setting?: Readonly<Record<string, string>>;
}

/** One text per part. */
export function fingerprintComponents(
  spec: TaskSpec,
  { identities, image, setting = {} }: FingerprintFacts,
): Components {
  const components: Record<string, string> = { version: VERSION };
  for (const [position, one] of spec.executors.entries()) {
    components[`executors[${position}].image`] = image ?? nameIdentity(one.image);
    components[`executors[${position}].command`] = digest(one.command);
    components[`executors[${position}].env`] = digest(sortedEntries(one.env));
    components[`executors[${position}].streams`] = digest(executorIdentity(one));
  }
  const names = inputNames(spec.inputs);
  for (const [position, input] of spec.inputs.entries())
    components[names[position] ?? ''] = `${input.type} ${identities[position]}`;
  if (orderMatters(names)) components['input_order'] = digest(names);
  components['outputs'] = digest(
    spec.outputs.map(({ path, path_prefix, type }) => [path, path_prefix ?? null, type]),
  );
  // An entry may lack outputs that were not written. A task that fails without them must not get
  // such an entry.
  if (missingOutputsFail(spec)) components['missing_outputs'] = 'fail';
  components['volumes'] = digest(spec.volumes.toSorted());
  for (const [name, value] of Object.entries(setting)) components[`setting.${name}`] = value;
  return components;
}

const pathOf = ({ path }: InputOf<string>): string => containerPath(path) ?? path;

/**
 * The component of each input. What is declared twice at one path with one source is one input; with
 * another source it is another, and the later one is what the task finds.
 */
export function inputNames(inputs: readonly InputOf<string>[]): string[] {
  const sourcesAt = new Map<string, string[]>();
  return inputs.map((input) => {
    const path = pathOf(input);
    const sources = sourcesAt.get(path) ?? [];
    sourcesAt.set(path, sources);
    const source = JSON.stringify([input.type, input.url, input.content]);
    if (!sources.includes(source)) sources.push(source);
    const number = sources.indexOf(source);
    return `inputs[${path}]${number === 0 ? '' : `#${number + 1}`}`;
  });
}

/**
 * Whether the order in which inputs are laid decides what the task finds: only where two have one path. What is
 * declared inside of a folder is laid over it in any order.
 */
export const orderMatters = (names: readonly string[]): boolean =>
  names.some((name) => /\]#\d+$/.test(name));

const isInput = (name: string): boolean => name.startsWith('inputs[');

const sorted = (parts: [string, string][]): [string, string][] =>
  parts.toSorted(([a], [b]) => (a < b ? -1 : 1));

/** A cache check asks for the digests of the same parts several times. */
const digestOnce = (digestOf: (components: Components) => Buffer) => {
  const known = new WeakMap<Components, Buffer>();
  return (components: Components): Buffer => {
    const found = known.get(components) ?? digestOf(components);
    known.set(components, found);
    return found;
  };
};

/** All but what the inputs hold. SHA-256, 32 bytes. */
export const baseOf = digestOnce((components) =>
  sha256(JSON.stringify(sorted(Object.entries(components).filter(([name]) => !isInput(name))))),
);

/** SHA-256, 32 bytes. */
export const fingerprintOf = digestOnce((components) =>
  ofHalves(
    baseOf(components),
    Object.entries(components).filter(([name]) => isInput(name)),
  ),
);

/** The same from its two halves, as they are stored. */
export const fingerprintFrom = (base: Buffer, inputs: Components): Buffer =>
  ofHalves(base, Object.entries(inputs));

const ofHalves = (base: Buffer, inputs: [string, string][]): Buffer =>
  sha256(JSON.stringify([base.toString('hex'), sorted(inputs)]));

/**
 * Names of the parts in which two tasks differ, with both sides; empty when they are the same call.
 */
export function explainDifference(
  a: Components,
  b: Components,
): { part: string; here?: string; there?: string }[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted();
  return names
    .filter((name) => a[name] !== b[name])
    .map((part) => ({
      part,
      ...(a[part] === undefined ? {} : { here: a[part] }),
      ...(b[part] === undefined ? {} : { there: b[part] }),
    }));
}
