/**
 * core/cache decides about call-cache hits. This file computes the fingerprint: a digest of what a
 * task does and of what it reads. What a caller merely chooses (output URLs, names, tags,
 * resources) is not part of it.
 */
import { sha256 } from '../ids.ts';
import { missingOutputsFail } from '../result/outputs.ts';
import type { ExecutorOf, TaskSpec } from '../task/task.ts';

/**
 * Must change whenever the meaning of a component changes. Entries of another version never match.
 */
const VERSION = '1';

/** Parts of a fingerprint by name, kept with an entry so that a miss can be explained. */
export type Components = Record<string, string>;

const digest = (value: unknown): string =>
  sha256(JSON.stringify(value)).toString('hex').slice(0, 32);

/** A digest identifies the image, whatever its tag or registry mirror. */
const imageIdentity = (image: string): string =>
  /@(sha256:[0-9a-f]{64})$/.exec(image)?.[1] ?? image;

const sortedEntries = (env: Record<string, string> | undefined): [string, string][] =>
  Object.entries(env ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));

const executorIdentity = (one: ExecutorOf<string>) => [
  one.workdir ?? null,
  one.stdin ?? null,
  one.stdout ?? null,
  one.stderr ?? null,
  one.ignore_error ?? false,
];

/**
 * @param identities the content of each input (see aws/identities.ts), in the order of
 * `spec.inputs`
 */
export function fingerprintComponents(spec: TaskSpec, identities: readonly string[]): Components {
  const components: Components = { version: VERSION };
  spec.executors.forEach((one, position) => {
    components[`executors[${position}].image`] = imageIdentity(one.image);
    components[`executors[${position}].command`] = digest(one.command);
    components[`executors[${position}].env`] = digest(sortedEntries(one.env));
    components[`executors[${position}].streams`] = digest(executorIdentity(one));
  });
  spec.inputs.forEach((input, position) => {
    components[`inputs[${input.path}]`] = `${input.type} ${identities[position]}`;
  });
  components['outputs'] = digest(
    spec.outputs.map(({ path, path_prefix, type }) => [path, path_prefix ?? null, type]),
  );
  // An entry may lack outputs that were not written. A task that fails without them must not get
  // such an entry.
  if (missingOutputsFail(spec)) components['missing_outputs'] = 'fail';
  components['volumes'] = digest(spec.volumes.toSorted());
  return components;
}

/** SHA-256, 32 bytes. */
export function fingerprintOf(components: Components): Buffer {
  return sha256(
    JSON.stringify(Object.entries(components).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );
}

/** The parts in which two tasks differ, with both values; empty when they are the same call. */
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
