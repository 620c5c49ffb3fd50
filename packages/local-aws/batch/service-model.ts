/**
 * AWS's own description of the Batch API (service-model.json, 2016-08-10, without its prose): every
 * request and every reply of the local server is checked against it, so that it cannot deviate from
 * the real API.
 */
import model from './service-model.json' with { type: 'json' };

interface Member {
  shape: string;
  location?: string;
}

interface Shape {
  type: string;
  members?: Record<string, Member>;
  required?: string[];
  enum?: string[];
  member?: Member;
  value?: Member;
  min?: number;
  max?: number;
}

export interface Operation {
  name: string;
  method: string;
  /** As in the model: `/v1/submitjob`, `/v1/tags/{resourceArn}`. */
  requestUri: string;
  input: string;
  output: string;
}

interface ModelOperation {
  name: string;
  http: { method: string; requestUri: string };
  input: { shape: string };
  output: { shape: string };
}

const SHAPES: Record<string, Shape> = model.shapes;
const MODEL_OPERATIONS: Record<string, ModelOperation> = model.operations;

const OPERATIONS: Operation[] = Object.values(MODEL_OPERATIONS).map(
  ({ name, http, input, output }) => ({
    name,
    method: http.method,
    requestUri: http.requestUri,
    input: input.shape,
    output: output.shape,
  }),
);
const OPERATIONS_BY_PATH = new Map(
  OPERATIONS.map((operation) => [`${operation.method} ${operation.requestUri}`, operation]),
);
const TAGS_PATH = '/v1/tags/';

/**
 * The operation behind a method and path, with the ARN that the three tag operations carry in the
 * path.
 */
export function findOperation(
  method: string,
  path: string,
): { operation: Operation; resourceArn?: string } | undefined {
  if (path.startsWith(TAGS_PATH)) {
    const operation = OPERATIONS_BY_PATH.get(`${method} ${TAGS_PATH}{resourceArn}`);
    if (operation === undefined) return undefined;
    // A path that is not percent-encoded correctly is not an ARN.
    try {
      return { operation, resourceArn: decodeURIComponent(path.slice(TAGS_PATH.length)) };
    } catch {
      return undefined;
    }
  }
  const operation = OPERATIONS_BY_PATH.get(`${method} ${path}`);
  return operation === undefined ? undefined : { operation };
}

/**
 * AWS marks JobDetail.startedAt as required and yet leaves it out of every job that has not
 * started: its own examples show that. The required check follows what AWS does.
 */
const REQUIRED_IN_NAME_ONLY = new Set(['JobDetail.startedAt']);

const isText = (value: unknown) => typeof value === 'string';
const isWhole = (value: unknown) => Number.isSafeInteger(value);
const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);
const SCALARS: Record<string, (value: unknown) => boolean> = {
  string: isText,
  integer: isWhole,
  long: isWhole,
  double: isNumber,
  float: isNumber,
  boolean: (value) => typeof value === 'boolean',
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function checkStructure(
  name: string,
  shape: Shape,
  value: unknown,
  at: string,
  problems: string[],
): void {
  if (!isObject(value)) {
    problems.push(`${at}: expected an object`);
    return;
  }
  for (const required of shape.required ?? []) {
    if ((value[required] ?? null) === null && !REQUIRED_IN_NAME_ONLY.has(`${name}.${required}`))
      problems.push(`${at}.${required}: is required`);
  }
  for (const [key, item] of Object.entries(value)) {
    const member = shape.members?.[key];
    if (member === undefined) problems.push(`${at}.${key}: no such member`);
    else if ((item ?? null) !== null) check(member.shape, item, `${at}.${key}`, problems);
  }
}

function checkSize(shape: Shape, size: number, at: string, problems: string[]): void {
  if (shape.min !== undefined && size < shape.min)
    problems.push(`${at}: must have length greater than or equal to ${shape.min}`);
  if (shape.max !== undefined && size > shape.max)
    problems.push(`${at}: must have length less than or equal to ${shape.max}`);
}

function checkScalar(shape: Shape, value: unknown, at: string, problems: string[]): void {
  if (SCALARS[shape.type]?.(value) !== true) problems.push(`${at}: expected ${shape.type}`);
  else if (shape.enum !== undefined && !shape.enum.includes(String(value))) {
    problems.push(`${at}: must satisfy enum value set: [${shape.enum.join(', ')}]`);
  }
}

function checkEntries(
  shape: Shape,
  entries: [string, unknown][],
  of: Member | undefined,
  at: string,
  problems: string[],
): void {
  checkSize(shape, entries.length, at, problems);
  if (of !== undefined)
    for (const [key, item] of entries) check(of.shape, item, `${at}${key}`, problems);
}

function check(name: string, value: unknown, at: string, problems: string[]): void {
  const shape = SHAPES[name];
  if (shape === undefined)
    throw new Error(`service-model.json names a shape ${name} that it does not have`);
  if (shape.type === 'structure') {
    checkStructure(name, shape, value, at, problems);
  } else if (shape.type === 'list') {
    if (!Array.isArray(value)) problems.push(`${at}: expected a list`);
    else
      checkEntries(
        shape,
        value.map((item, index) => [`[${index}]`, item]),
        shape.member,
        at,
        problems,
      );
  } else if (shape.type === 'map') {
    if (!isObject(value)) problems.push(`${at}: expected a map`);
    else
      checkEntries(
        shape,
        Object.entries(value).map(([key, item]) => [`.${key}`, item]),
        shape.value,
        at,
        problems,
      );
  } else {
    checkScalar(shape, value, at, problems);
  }
}

/**
 * What is wrong with a value of a shape, each as `path: what was expected`; empty when nothing is.
 */
export function problemsOf(shapeName: string, value: unknown): string[] {
  const problems: string[] = [];
  check(shapeName, value, shapeName, problems);
  return problems;
}

/**
 * Drops members that the model does not know, at the top level only: AWS ignores them in requests
 * (a newer SDK must work against an older service), but in our own replies they are mistakes.
 */
export function knownMembers(
  shapeName: string,
  value: Record<string, unknown>,
): Record<string, unknown> {
  const members = SHAPES[shapeName]?.members ?? {};
  return Object.fromEntries(
    Object.entries(value).filter(
      ([key, item]) => Object.hasOwn(members, key) && (item ?? null) !== null,
    ),
  );
}
