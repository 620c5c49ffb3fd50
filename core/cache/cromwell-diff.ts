/**
 * Differences of two calls in the form of Cromwell's callcaching diff (GET /api/workflows/v1/callcaching/diff), for
 * programs that read that. The keys are Cromwell's words where it has one.
 */
import { sha256 } from '../ids.ts';
import type { ComparedCall } from './compared-call.ts';
import { explainDifference, fingerprintComponents, type Components } from './fingerprint.ts';

export interface HashDifference {
  hashKey: string;
  callA: string | null;
  callB: string | null;
}

/** From what is stored: S3 is not asked. Inputs that the caller may not be told about are left out. */
function storedComponents({ spec, inputs, setting }: ComparedCall): Components {
  const shown = spec.inputs.flatMap(({ path }, position) => {
    const { stored, isHidden } = inputs[position] ?? {};
    return isHidden ? [] : [stored ?? [`inputs[${path}]`, 'not known']];
  });
  return {
    ...fingerprintComponents({ ...spec, inputs: [] }, { identities: [], setting }),
    ...Object.fromEntries(shown.map(([component, value]) => [component, value])),
  };
}

const KEYS: readonly [pattern: RegExp, key: string][] = [
  [/^executors\[0\]\.command$/, 'command template'],
  [/^executors\[0\]\.image$/, 'runtime attribute: docker'],
  [/^inputs\[(.*)\](#\d+)?$/, 'input: File $1$2'],
  [/^outputs$/, 'output expression'],
];

function keyOf(part: string): string {
  const found = KEYS.find(([pattern]) => pattern.test(part));
  return found ? part.replace(found[0], found[1]) : part;
}

/** As Cromwell shows them: 32 digits, upper case. */
const hashOf = (value: string | undefined): string | null =>
  value === undefined ? null : sha256(value).toString('hex').slice(0, 32).toUpperCase();

export const hashDifferential = (a: ComparedCall, b: ComparedCall): HashDifference[] =>
  explainDifference(storedComponents(a), storedComponents(b)).map(({ part, here, there }) => ({
    hashKey: keyOf(part),
    callA: hashOf(here),
    callB: hashOf(there),
  }));
