/**
 * In what two calls differ, told from their texts and from what is known of their inputs. It is for people: what counts
 * is the fingerprint. All that a fingerprint is made of is looked at (core/cache/fingerprint.ts).
 */
import { missingOutputsFail } from '../result/outputs.ts';
import { isSecretName } from '../task/secret-names.ts';
import type { ExecutorOf, TaskSpec } from '../task/task.ts';
import { clipBoth, firstLineDifference, shortenDigests } from './first-difference.ts';
import type { ComparedCall, Difference } from './compared-call.ts';
import { inputDifferences } from './input-differences.ts';

/** @param there the earlier call */
export function differencesOf(here: ComparedCall, there: ComparedCall): Difference[] {
  const told = [
    ...executorDifferences(here, there),
    ...inputDifferences(here, there),
    ...outputDifferences(here.spec, there.spec),
    ...settingDifferences(here, there),
  ].map(withoutDigests);
  const isBaseKnown = here.base !== undefined && there.base !== undefined;
  const isBaseTold = told.some(({ part }) => !part.startsWith('inputs['));
  return isBaseKnown && here.base !== there.base && !isBaseTold ? [...told, UNTOLD] : told;
}

const UNTOLD: Difference = {
  part: 'installation',
  brief: 'something besides the task changed',
  says: 'something besides the task changed: a setting of the installation, or Batchwell’s version',
};

const withoutDigests = ({ part, brief, says, ...sides }: Difference): Difference => ({
  part,
  brief: shortenDigests(brief),
  says: shortenDigests(says),
  ...(sides.here !== undefined && { here: shortenDigests(sides.here) }),
  ...(sides.there !== undefined && { there: shortenDigests(sides.there) }),
});

type Executor = ExecutorOf<string>;

function executorDifferences(here: ComparedCall, there: ComparedCall): Difference[] {
  const [mine, theirs] = [here.spec.executors, there.spec.executors];
  if (mine.length !== theirs.length)
    return [
      changed('executors', 'number of executors', String(mine.length), String(theirs.length)),
    ];
  return mine.flatMap((one, position) => {
    const other = theirs[position];
    if (!other) return [];
    const part = `executors[${position}]`;
    const prefix = mine.length > 1 ? `executor ${position}: ` : '';
    return [
      ...commandDifference(one, other),
      ...environmentDifferences(one, other),
      ...imageDifference(one, other, [here.imageDigest, there.imageDigest]),
      ...streamDifferences(one, other),
    ].map((difference) => ({
      ...difference,
      part: `${part}.${difference.part}`,
      brief: prefix + difference.brief,
      says: prefix + difference.says,
    }));
  });
}

const isShellScript = (command: readonly string[], position: number): boolean =>
  position === 2 && /^-[a-z]*c$/.test(command[1] ?? '');

function commandDifference({ command }: Executor, other: Executor): Difference[] {
  const theirs = other.command;
  const longest = Math.max(command.length, theirs.length);
  for (let position = 0; position < longest; position += 1) {
    const [mine, there] = [command[position], theirs[position]];
    if (mine === there) continue;
    const isText =
      mine !== undefined &&
      there !== undefined &&
      (isShellScript(command, position) || mine.includes('\n') || there.includes('\n'));
    return [isText ? scriptDifference(mine, there) : argumentDifference(position, mine, there)];
  }
  return [];
}

function scriptDifference(mine: string, theirs: string): Difference {
  const { line = 1, added, removed } = firstLineDifference(mine, theirs) ?? {};
  const sides = [
    ...(removed === undefined ? [] : [`- ${removed}`]),
    ...(added === undefined ? [] : [`+ ${added}`]),
  ];
  const brief = `command differs in line ${line}`;
  return {
    part: 'command',
    brief,
    says: `${brief}: ${sides.join(' ')}`,
    ...(added !== undefined && { here: added }),
    ...(removed !== undefined && { there: removed }),
  };
}

const NONE = '(none)';

const argumentDifference = (
  position: number,
  mine: string | undefined,
  theirs: string | undefined,
): Difference => {
  const what = `command differs in argument ${position}`;
  return { ...changed('command', what, mine, theirs), brief: what };
};

/** `what: there -> here` */
function changed(
  part: string,
  what: string,
  here: string | undefined,
  there: string | undefined,
): Difference {
  const clipped = clipBoth(here ?? NONE, there ?? NONE);
  return {
    part,
    brief: `${what} changed`,
    says: `${what}: ${clipped.there} -> ${clipped.here}`,
    ...(here !== undefined && { here: clipped.here }),
    ...(there !== undefined && { there: clipped.there }),
  };
}

/** A variable may be named as what every object inherits. */
const ownOf = (env: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.hasOwn(env, name) ? env[name] : undefined;

function environmentDifferences(
  { env = {} }: Executor,
  { env: theirs = {} }: Executor,
): Difference[] {
  const names = [...new Set([...Object.keys(env), ...Object.keys(theirs)])].toSorted();
  return names
    .map((name) => ({ name, mine: ownOf(env, name), other: ownOf(theirs, name) }))
    .filter(({ mine, other }) => mine !== other)
    .map(({ name, mine, other }) => {
      const [part, what] = [`env.${name}`, `environment ${name}`];
      if (!isSecretName(name)) return changed(part, what, mine, other);
      return { part, brief: `${what} changed`, says: `${what} changed (its values are hidden)` };
    });
}

function imageDifference(
  { image }: Executor,
  other: Executor,
  [mine, theirs]: [string | undefined, string | undefined],
): Difference[] {
  if (mine !== undefined && mine === theirs) return [];
  if (image !== other.image) return [changed('image', 'image', image, other.image)];
  if (mine === undefined || theirs === undefined) return [];
  const brief = `image ${image}: digest moved`;
  return [
    {
      part: 'image',
      brief,
      says: `${brief} from sha256:${theirs} to sha256:${mine}`,
      here: `sha256:${mine}`,
      there: `sha256:${theirs}`,
    },
  ];
}

const streams = ['workdir', 'stdin', 'stdout', 'stderr'] as const;

function streamDifferences(mine: Executor, theirs: Executor): Difference[] {
  const told = streams
    .filter((name) => mine[name] !== theirs[name])
    .map((name) => changed(name, name, mine[name], theirs[name]));
  const [ignores, ignored] = [mine, theirs].map((one) => String(one.ignore_error ?? false));
  return ignores === ignored
    ? told
    : [...told, changed('ignore_error', 'ignore_error', ignores, ignored)];
}

const shownOutput = ({ path, path_prefix, type }: TaskSpec['outputs'][number]): string =>
  [
    path,
    ...(path_prefix === undefined ? [] : [`below ${path_prefix}`]),
    ...(type === 'FILE' ? [] : ['(directory)']),
  ].join(' ');

/** URLs do not count: only what is kept of the container. */
function outputDifferences(here: TaskSpec, there: TaskSpec): Difference[] {
  const [mine, theirs] = [here, there].map(({ outputs }) => outputs.map(shownOutput));
  return listDifferences('output', mine ?? [], theirs ?? []);
}

function listDifferences(
  what: string,
  mine: readonly string[],
  theirs: readonly string[],
): Difference[] {
  const told = [
    ...mine
      .filter((one) => !theirs.includes(one))
      .map((one) => ({ brief: `${what} ${one} is new`, here: one })),
    ...theirs
      .filter((one) => !mine.includes(one))
      .map((one) => ({ brief: `${what} ${one} is no longer declared`, there: one })),
  ].map(({ brief, ...sides }) => ({ part: `${what}s`, brief, says: brief, ...sides }));
  const isReordered = told.length === 0 && JSON.stringify(mine) !== JSON.stringify(theirs);
  const brief = `${what}s are declared in another order`;
  return isReordered ? [{ part: `${what}s`, brief, says: brief }] : told;
}

function settingDifferences(here: ComparedCall, there: ComparedCall): Difference[] {
  const volumes = [here, there].map(({ spec }) => spec.volumes.toSorted());
  const [mine, theirs] = [here, there].map(({ spec, setting }): Record<string, string> => ({
    ...setting,
    missing_outputs: missingOutputsFail(spec) ? 'fail' : 'warn',
  }));
  const names = [...new Set([...Object.keys(mine ?? {}), ...Object.keys(theirs ?? {})])].toSorted();
  return [
    ...listDifferences('volume', volumes[0] ?? [], volumes[1] ?? []),
    ...names
      .filter((name) => mine?.[name] !== theirs?.[name])
      .map((name) => changed(name, name.replaceAll('_', ' '), mine?.[name], theirs?.[name])),
  ];
}
