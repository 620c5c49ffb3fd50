/** In which inputs two calls differ. */
import { hideUrlSecrets } from '../files/url-secrets.ts';
import type { InputOf, TaskSpec } from '../task/task.ts';
import type { ComparedCall, Difference, KnownInput } from './compared-call.ts';
import { inputNames, orderMatters } from './fingerprint.ts';
import { clipBoth } from './first-difference.ts';
import { spellBytes, spellTimes } from './spell.ts';
import type { StoredInput } from './stored-input.ts';

interface Side {
  input: InputOf<string>;
  known: KnownInput;
}

/** @param there the earlier call */
export function inputDifferences(here: ComparedCall, there: ComparedCall): Difference[] {
  const [mine, theirs] = [sidesOf(here), sidesOf(there)];
  const nameOf = shortNames([...here.spec.inputs, ...there.spec.inputs]);
  const keys = [...new Set([...mine.keys(), ...theirs.keys()])];
  const told = keys.flatMap((key) => {
    const [one, other] = [mine.get(key), theirs.get(key)];
    const path = (one ?? other)?.input.path ?? '';
    return tell({ part: `inputs[${path}]`, name: nameOf(path) }, one, other) ?? [];
  });
  if (told.length > 0) return told;
  return isReordered(here.spec, there.spec)
    ? [{ part: 'input_order', brief: ORDER, says: `${ORDER}, and some of them have one path` }]
    : [];
}

const ORDER = 'inputs are declared in another order';

/** By the component of the fingerprint where it is known: it is stable between the runs of a client. */
function sidesOf({ spec, inputs }: ComparedCall): Map<string, Side> {
  return new Map(
    spec.inputs.map((input, position): [string, Side] => {
      const known = inputs[position] ?? {};
      return [known.stored?.[0] ?? `inputs[${input.path}]`, { input, known }];
    }),
  );
}

const baseName = (path: string): string => path.replace(/\/+$/, '').split('/').at(-1) ?? path;

/** The last part of the path where it is the only one, else the path. */
function shortNames(inputs: readonly InputOf<string>[]): (path: string) => string {
  const paths = new Set(inputs.map(({ path }) => path));
  const counts = Map.groupBy(paths, baseName);
  return (path) => (counts.get(baseName(path))?.length === 1 ? baseName(path) : path);
}

interface Named {
  part: string;
  name: string;
}

const isOf = ({ input: { type } }: Side): string =>
  type === 'DIRECTORY' ? 'input directory' : 'input';

function tell({ part, name }: Named, here?: Side, there?: Side): Difference[] | undefined {
  const one = here ?? there;
  if (!one) return undefined;
  const what = `${isOf(one)} ${name}`;
  if (here?.known.isHidden || there?.known.isHidden) {
    const brief = `${what} is not compared`;
    return [{ part, brief, says: `${brief}: this token does not allow its URL` }];
  }
  if (!there) return [oneSided(part, `${what} is new`, 'here', here?.input.url)];
  if (!here) return [oneSided(part, `${what} is no longer declared`, 'there', there.input.url)];
  return tellBoth(part, what, here, there);
}

const oneSided = (
  part: string,
  brief: string,
  side: 'here' | 'there',
  url: string | undefined,
): Difference => ({
  part,
  brief,
  says: url === undefined ? brief : `${brief} (${hideUrlSecrets(url)})`,
  ...(url !== undefined && { [side]: hideUrlSecrets(url) }),
});

function tellBoth(part: string, what: string, here: Side, there: Side): Difference[] | undefined {
  if (here.input.type !== there.input.type) {
    const brief = `${what} was declared as ${there.input.type}`;
    return [{ part, brief, says: `${brief} and is now ${here.input.type}` }];
  }
  const [mine, theirs] = [here.known.stored, there.known.stored];
  const isMoved = here.input.url !== there.input.url;
  const verdict = mine && theirs ? compareStored(mine, theirs, isMoved) : compareTexts(here, there);
  if (verdict === 'same') return undefined;
  const does =
    verdict === 'maybe' ? 'was written again' : isMoved ? 'is another object' : 'changed';
  const brief = `${what} ${here.input.url === undefined ? 'changed' : does}`;
  const facts = [urlsOf(here, there), ...factsOf(mine, theirs)].filter(
    (fact) => fact !== undefined,
  );
  return [{ part, brief, says: facts.length === 0 ? brief : `${brief} (${facts.join(', ')})` }];
}

const formOf = ([, value]: StoredInput): string => value.split(' ', 2).join(' ');

/**
 * The same object may be known by its ETag to one task and by its checksum to another. Then size and time are all that
 * people can compare; no decision depends on them.
 */
function compareStored(
  mine: StoredInput,
  theirs: StoredInput,
  isMoved: boolean,
): 'same' | 'changed' | 'maybe' {
  const [, value, sizeBytes, modifiedMs] = mine;
  if (value === theirs[1]) return 'same';
  if (isMoved || formOf(mine) === formOf(theirs) || sizeBytes !== theirs[2]) return 'changed';
  return modifiedMs === theirs[3] ? 'same' : 'maybe';
}

/** Where what they held is not known. */
const compareTexts = ({ input: here }: Side, { input: there }: Side): 'same' | 'changed' =>
  here.url === there.url && here.content === there.content ? 'same' : 'changed';

function urlsOf({ input: here }: Side, { input: there }: Side): string | undefined {
  if (here.url === undefined || there.url === undefined) return 'its content is in the task';
  if (here.url === there.url) return hideUrlSecrets(here.url);
  const clipped = clipBoth(hideUrlSecrets(here.url), hideUrlSecrets(there.url));
  return `${clipped.there} -> ${clipped.here}`;
}

function factsOf(
  mine: StoredInput | undefined,
  theirs: StoredInput | undefined,
): (string | undefined)[] {
  if (!mine || !theirs) return [];
  return [spellTimes(theirs[3], mine[3]), `${spellBytes(theirs[2])} -> ${spellBytes(mine[2])}`];
}

/** The order counts only where two inputs of one path differ: see `orderMatters`. */
function isReordered(here: TaskSpec, there: TaskSpec): boolean {
  const [mine, theirs] = [inputNames(here.inputs), inputNames(there.inputs)];
  return (
    JSON.stringify(mine) !== JSON.stringify(theirs) && (orderMatters(mine) || orderMatters(theirs))
  );
}
