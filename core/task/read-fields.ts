/**
 * Reads JSON from untrusted callers. Each reader returns the value, or undefined and a problem;
 * null counts as absent, since TES clients send null for what they do not set.
 */
import { memberPath, problemAt, type Problem } from '../problems.ts';
import { isObject } from '../is-object.ts';

export interface TextRule {
  /** Characters; no limit when absent. */
  longest?: number;
  /** Bytes in UTF-8; no limit when absent. */
  longestBytes?: number;
  required?: boolean;
  /** An empty string counts as absent. */
  emptyIsAbsent?: boolean;
  /** Never shown in a problem. */
  secret?: boolean;
}

export interface NumberRule {
  least: number;
  most: number;
  /** Unit shown with the bounds: `vCPUs`. */
  unit: string;
  /** 0 counts as absent: clients generated from protocol buffers send it for what was not set. */
  zeroIsAbsent?: boolean;
}

/** What was expected instead of the text; undefined when it is valid. */
function refusal(text: string, rule: TextRule): string | undefined {
  if (rule.longest !== undefined && text.length > rule.longest)
    return `at most ${rule.longest} characters; this has ${text.length}`;
  if (
    rule.longestBytes !== undefined &&
    text.length * 3 > rule.longestBytes &&
    byteLength(text) > rule.longestBytes
  )
    return `at most ${rule.longestBytes} bytes; this has ${byteLength(text)}`;
  if (text.includes('\0'))
    return 'a string without NUL, which files, arguments and variables cannot contain';
  if (!text.isWellFormed()) return 'well-formed Unicode; this contains half of a surrogate pair';
  return undefined;
}

export const byteLength = (text: string): number => new TextEncoder().encode(text).length;

/** An object of a caller's JSON, its path, and the list that its problems are added to. */
export interface Source {
  value: Record<string, unknown>;
  path: string;
  problems: Problem[];
}

/** The object to read from; undefined and a problem when the value is not an object. */
export function readObject(value: unknown, path: string, problems: Problem[]): Source | undefined {
  if (isObject(value)) return { value, path, problems };
  problems.push(problemAt(path, 'an object', value));
  return undefined;
}

export const pathOf = (from: Source, name: string): string => memberPath(from.path, name);

export function refuse(from: Source, name: string, expected: string, got?: unknown): undefined {
  from.problems.push(problemAt(pathOf(from, name), expected, got));
  return undefined;
}

/** The member as it is; inherited names do not count. */
export function rawOf(from: Source, name: string): unknown {
  return Object.hasOwn(from.value, name) ? (from.value[name] ?? undefined) : undefined;
}

export function textOf(from: Source, name: string, rule: TextRule = {}): string | undefined {
  const value = rawOf(from, name);
  const absent = value === undefined || (value === '' && rule.emptyIsAbsent === true);
  if (absent)
    return rule.required ? refuse(from, name, 'a string; this field is required') : undefined;
  return readText(value, pathOf(from, name), rule, from.problems);
}

/**
 * A number, or the same as a string: the JSON of protocol buffers allows both, and web forms send
 * strings.
 */
export function numberOf(from: Source, name: string, rule: NumberRule): number | undefined {
  const given = rawOf(from, name);
  const value =
    typeof given === 'string' && /^\d{1,15}(\.\d{1,15})?$/.test(given) ? Number(given) : given;
  if (value === undefined || (value === 0 && rule.zeroIsAbsent === true)) return undefined;
  if (typeof value !== 'number' || !(value >= rule.least && value <= rule.most)) {
    return refuse(from, name, `a number from ${rule.least} to ${rule.most} (${rule.unit})`, given);
  }
  return value;
}

export function flagOf(from: Source, name: string): boolean | undefined {
  const value = rawOf(from, name);
  if (value === undefined || typeof value === 'boolean') return value;
  return refuse(from, name, 'true or false', value);
}

/** The items of a list; none when it is absent. */
export function listOf(from: Source, name: string): unknown[] {
  const value = rawOf(from, name);
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  refuse(from, name, 'a list', value);
  return [];
}

/** A list of strings; null items are problems, since leaving one out would shift the others. */
export function textsOf(from: Source, name: string, rule: TextRule = {}): string[] {
  return listOf(from, name).flatMap(
    (item, index) => readText(item, `${pathOf(from, name)}[${index}]`, rule, from.problems) ?? [],
  );
}

/** One or more of the choices; undefined when the member is absent or has a problem. */
export function amongOf<T extends string>(
  from: Source,
  name: string,
  choices: readonly T[],
): T[] | undefined {
  if (rawOf(from, name) === undefined) return undefined;
  const given = textsOf(from, name);
  const wrong = given.find((one) => !choices.some((choice) => choice === one));
  return wrong === undefined
    ? (given as T[])
    : refuse(from, name, `one or more of ${choices.join(', ')}`, wrong);
}

/** Members with any other name are problems. */
export function refuseUnknown(from: Source, names: readonly string[]): void {
  for (const name of Object.keys(from.value))
    if (!names.includes(name)) refuse(from, name, `one of ${names.join(', ')}`);
}

export interface MapRules {
  /** What was expected of a key; undefined when it is valid. */
  key?: (key: string) => string | undefined;
  value: TextRule;
}

/** An object whose values are strings; members that are null are left out. */
export function textMapOf(from: Source, name: string, rules: MapRules): Record<string, string> {
  const value = rawOf(from, name);
  if (value === undefined) return {};
  if (!isObject(value)) {
    refuse(from, name, 'an object whose values are strings', value);
    return {};
  }
  const entries = Object.entries(value).flatMap(([key, item]): [string, string][] => {
    if (item === null || item === undefined) return [];
    const path = memberPath(pathOf(from, name), key);
    const wrongKey = rules.key?.(key);
    if (wrongKey !== undefined) from.problems.push({ field: path, expected: wrongKey });
    const text = readText(item, path, rules.value, from.problems);
    return text === undefined ? [] : [[key, text]];
  });
  return Object.fromEntries(entries);
}

/** One string; undefined and a problem when it breaks the rule. */
export function readText(
  value: unknown,
  path: string,
  rule: TextRule,
  problems: Problem[],
): string | undefined {
  const expected = typeof value === 'string' ? refusal(value, rule) : 'a string';
  if (typeof value === 'string' && expected === undefined) return value;
  problems.push(problemAt(path, expected ?? 'a string', rule.secret ? undefined : value));
  return undefined;
}

/** The member, or nothing when it has no value. */
export const optional = <K extends string, T>(key: K, value: T | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: T };
