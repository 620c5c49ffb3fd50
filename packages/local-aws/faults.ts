/**
 * Faults on demand: rules, set while the local AWS runs, that make it fail as the real AWS does. A
 * rule is plain JSON, so that a test in another process sets it over HTTP
 * (control.ts).
 */
import type { Service } from './ledger.ts';
import { createRandom } from './random.ts';

/** Kinds that both services apply to the request itself. */
export const REQUEST_FAULT_KINDS = [
  'error',
  'throttle',
  'delay',
  'drop-before',
  'drop-after',
  'error-after',
] as const;
/** Kinds that a service asks for by name, when they can apply. */
export const BEHAVIOUR_FAULT_KINDS = [
  'visibility-lag',
  'spot-loss',
  'out-of-memory',
  'slow-start',
  'image-pull',
  'host-fault',
] as const;

export type RequestFaultKind = (typeof REQUEST_FAULT_KINDS)[number];
export type FaultKind = RequestFaultKind | (typeof BEHAVIOUR_FAULT_KINDS)[number];

export interface FaultRule {
  /**
   * The name of the rule, for its removal. Generated when absent. A rule with the id of another
   * replaces it.
   */
  id?: string;
  service: Service;
  /** AWS's name of the operation (`PutObject`, `SubmitJob`), or `*`. */
  operation: string;
  /** Applies only if the subject (`bucket/key`, a job name or the like) contains this text. */
  match?: string;
  /**
   * error: refused, nothing is done. throttle: refused with the service's own throttling error.
   * delay: served, `delayMs` later. drop-before: the connection is cut, nothing is done.
   * drop-after: performed, then the connection is cut. error-after: performed, then answered with
   * an error.
   */
  kind: FaultKind;
  /** HTTP status of the error. Each kind has its default. */
  status?: number;
  code?: string;
  message?: string;
  /**
   * How a `host-fault` ends the attempt: the job's statusReason, and the container's reason and exit
   * code. Without an exit code the container never starts.
   */
  statusReason?: string;
  reason?: string;
  exitCode?: number;
  /** Wait before anything else happens. Can be combined with every kind. */
  delayMs?: number;
  /** How many times it applies. Default: without limit. */
  times?: number;
  /** 0..1, drawn from the rule's own seeded generator, so that runs repeat. Default 1. */
  probability?: number;
}

export interface FaultState extends FaultRule {
  id: string;
  /** How many times it has applied. */
  bitten: number;
}

export interface Faults {
  /** Adds the rule after those already set. The first that applies wins. */
  add(rule: FaultRule): FaultState;
  /** False when no rule has this id. */
  remove(id: string): boolean;
  clear(): void;
  list(): FaultState[];
  /**
   * The rule that applies to this subject now, counted. Only rules of `kinds` are considered: by
   * default those of a request, so that a `spot-loss` on `*` is not used up by a request.
   */
  next(
    service: Service,
    operation: string,
    subject: string,
    kinds?: readonly FaultKind[],
  ): FaultState | undefined;
}

interface ArmedRule {
  state: FaultState;
  random: () => number;
}

function concerns(
  { state: rule }: ArmedRule,
  service: Service,
  operation: string,
  subject: string,
): boolean {
  if (rule.service !== service) return false;
  if (rule.operation !== '*' && rule.operation !== operation) return false;
  if (rule.match !== undefined && !subject.includes(rule.match)) return false;
  return rule.times === undefined || rule.bitten < rule.times;
}

/**
 * Starts without rules. The same seed, rules and requests in the same order give the same faults.
 */
export function createFaults(seed = 1): Faults {
  let rules: ArmedRule[] = [];
  let made = 0;
  return {
    add(rule) {
      made += 1;
      const state: FaultState = { ...rule, id: rule.id ?? `fault-${made}`, bitten: 0 };
      // A generator per rule: how many times one rule is considered does not change another's
      // draws.
      rules = [
        ...rules.filter((armed) => armed.state.id !== state.id),
        { state, random: createRandom(seed + made * 0x9e3779b1) },
      ];
      return { ...state };
    },
    remove(id) {
      const before = rules.length;
      rules = rules.filter((armed) => armed.state.id !== id);
      return rules.length < before;
    },
    clear() {
      rules = [];
    },
    list: () => rules.map(({ state }) => ({ ...state })),
    next(service, operation, subject, kinds = REQUEST_FAULT_KINDS) {
      for (const armed of rules) {
        if (!kinds.includes(armed.state.kind) || !concerns(armed, service, operation, subject))
          continue;
        if (armed.state.probability !== undefined && armed.random() >= armed.state.probability)
          continue;
        armed.state.bitten += 1;
        return { ...armed.state };
      }
      return undefined;
    },
  };
}

const ALL_KINDS: readonly string[] = [...REQUEST_FAULT_KINDS, ...BEHAVIOUR_FAULT_KINDS];
const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0;
const REQUIRED = new Set(['service', 'operation', 'kind']);
const FIELDS: Record<string, { holds: (value: unknown) => boolean; expected: string }> = {
  id: { holds: isText, expected: 'a text' },
  service: { holds: (value) => value === 's3' || value === 'batch', expected: "'s3' or 'batch'" },
  operation: { holds: isText, expected: "an operation's name or '*'" },
  match: { holds: isText, expected: 'a text' },
  kind: {
    holds: (value) => typeof value === 'string' && ALL_KINDS.includes(value),
    expected: `one of ${ALL_KINDS.join(', ')}`,
  },
  status: {
    holds: (value) => Number.isInteger(value) && Number(value) >= 100 && Number(value) <= 599,
    expected: 'an HTTP status',
  },
  code: { holds: isText, expected: "an AWS error's code" },
  message: { holds: (value) => typeof value === 'string', expected: 'a text' },
  statusReason: { holds: isText, expected: 'a text' },
  reason: { holds: isText, expected: 'a text' },
  exitCode: {
    holds: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255,
    expected: 'an exit code',
  },
  delayMs: { holds: isCount, expected: 'whole milliseconds' },
  times: { holds: isCount, expected: 'a whole number' },
  probability: {
    holds: (value) => typeof value === 'number' && value >= 0 && value <= 1,
    expected: 'a number from 0 to 1',
  },
};

function isFaultRule(value: object, problems: string[]): value is FaultRule {
  for (const [name, { holds, expected }] of Object.entries(FIELDS)) {
    const given: unknown = Reflect.get(value, name);
    if (given === undefined ? REQUIRED.has(name) : !holds(given)) {
      problems.push(`${name}: expected ${expected}, got ${JSON.stringify(given) ?? 'nothing'}`);
    }
  }
  for (const name of Object.keys(value))
    if (!Object.hasOwn(FIELDS, name)) problems.push(`${name}: no such field`);
  return problems.length === 0;
}

/**
 * Checks a rule from outside. Returns the rule, or every wrong field and what was expected.
 */
export function parseFaultRule(value: unknown): { rule: FaultRule } | { problems: string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: ['A fault rule must be a JSON object.'] };
  const problems: string[] = [];
  return isFaultRule(value, problems) ? { rule: value } : { problems };
}
