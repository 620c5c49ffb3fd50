/**
 * The inputs of a fingerprint as the database keeps them: there is a row for every call that was ever cached, so the
 * texts that all of them share are left out. Two inputs take 140 bytes, and 205 as they are.
 */
import type { StoredInput } from './stored-input.ts';

/** `FILE etag 900150983cd24fb0d6963f7d28e17f72 1024` and the like, whose size is that of the input. */
const VALUE = /^(FILE|DIRECTORY) (etag|crc64nvme|sha256|directory) ((?:[0-9a-f]{2})+)( \d+)?$/;
const COMPONENT = /^inputs\[(\/[^]*)\]$/;
const KINDS = { FILE: 'F', DIRECTORY: 'D' } as const;
const FORMS = { etag: 'e', crc64nvme: 'c', sha256: 's', directory: 'd' } as const;
/** Before a text that is kept as it is. */
const AS_IT_IS = '=';

type Kind = keyof typeof KINDS;
type Form = keyof typeof FORMS;
type PackedInput = readonly [string, string, number, number, 1?];

export const packInputs = (inputs: readonly StoredInput[]): string =>
  JSON.stringify(
    inputs.map(([component, value, sizeBytes, modifiedMs, isFixed]) => [
      COMPONENT.exec(component)?.[1] ?? AS_IT_IS + component,
      packValue(value, sizeBytes),
      sizeBytes,
      modifiedMs,
      ...(isFixed === 1 ? [1] : []),
    ]),
  );

export const unpackInputs = (packed: string): StoredInput[] =>
  (JSON.parse(packed) as PackedInput[]).map(
    ([component, value, sizeBytes, modifiedMs, isFixed]): StoredInput => [
      component.startsWith(AS_IT_IS) ? component.slice(1) : `inputs[${component}]`,
      unpackValue(value, sizeBytes),
      sizeBytes,
      modifiedMs,
      isFixed ?? 0,
    ],
  );

function packValue(value: string, sizeBytes: number): string {
  const [, kind, form, digits = '', size = ''] = VALUE.exec(value) ?? [];
  const isShared = kind !== undefined && form !== undefined;
  if (!isShared || (size !== '' && size !== ` ${sizeBytes}`)) return AS_IT_IS + value;
  const packed = Buffer.from(digits, 'hex').toString('base64url');
  // Lower case where the size follows.
  const letter = FORMS[form as Form];
  return `${KINDS[kind as Kind]}${size === '' ? letter.toUpperCase() : letter}${packed}`;
}

const nameOf = <N extends string>(names: Readonly<Record<N, string>>, letter: string): N =>
  (Object.keys(names) as N[]).find((name) => names[name] === letter) ?? ('' as N);

function unpackValue(packed: string, sizeBytes: number): string {
  if (packed.startsWith(AS_IT_IS)) return packed.slice(1);
  const [kind = '', letter = ''] = packed;
  const digits = Buffer.from(packed.slice(2), 'base64url').toString('hex');
  const form = nameOf(FORMS, letter.toLowerCase());
  const size = letter === letter.toLowerCase() ? ` ${sizeBytes}` : '';
  return `${nameOf(KINDS, kind)} ${form} ${digits}${size}`;
}
