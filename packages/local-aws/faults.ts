/**
 * Faults on demand: rules, set while the local AWS runs, that make it fail as the real one does. A
 * rule is plain JSON, so that a test in another process sets it over HTTP
 * (control.ts).
 */
import type { Service } from './ledger.ts';
import { createRandom } from './random.ts';

/** Kinds that either service plays on the request itself. */
export const REQUEST_FAULT_KINDS = [
  'error',
  'throttle',
  'delay',
  'drop-before',
  'drop-after',
  'error-after',
] as const;
/** Kinds that one service asks for by name, at the moment they concern. */
export const BEHAVIOUR_FAULT_KINDS = [
  'visibility-lag',
  'spot-loss',
  'out-of-memory',
  'slow-start',
  'image-pull',
] as const;

export type RequestFaultKind = (typeof REQUEST_FAULT_KINDS)[number];
export type FaultKind = RequestFaultKind | (typeof BEHAVIOUR_FAULT_KINDS)[number];

export interface FaultRule {
  /**
   * Names the rule for its removal; made up when absent. A rule of an id already set replaces it.
   */
  id?: string;
  service: Service;
  /** AWS's name of the operation (`PutObject`, `SubmitJob`), or `*`. */
  operation: string;
  /** Bites only where the subject (`bucket/key`, job name or the like) holds this text. */
  match?: string;
  /**
   * error: refused, nothing done. throttle: refused by the service's own throttling error.
   * delay: served, `delayMs` later. drop-before: connection cut, nothing done.
   * drop-after: done, then the connection is cut. error-after: done, then answered with an error.
   */
  kind: FaultKind;
  /** HTTP status of the error; the kind's own default when absent. */
  status?: number;
  code?: string;
  message?: string;
  /** Wait before anything else happens; goes with every kind. */
  delayMs?: number;
  /** How many times it bites before it is spent. Default: for ever. */
  times?: number;
  /** 0..1, rolled on the rule's own seeded generator, so that runs repeat. Default 1. */
  probability?: number;
}

export interface FaultState extends FaultRule {
  id: string;
  /** How often it has bitten. */
  bitten: number;
}

export interface Faults {
  /** Adds the rule after those already set; the first that bites wins. */
  add(rule: FaultRule): FaultState;
  /** False when no rule has this id. */
  remove(id: string): boolean;
  clear(): void;
  list(): FaultState[];
  /**
   * The rule that bites this subject now, counted as bitten. Only rules of `kinds` are asked; by
   * default those that concern a request, so that a `spot-loss` on `*` is not spent on a request.
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

/** No rules yet. The same seed and the same order of rules and requests give the same bites. */
export function createFaults(seed = 1): Faults {
  let rules: ArmedRule[] = [];
  let made = 0;
  return {
    add(rule) {
      made += 1;
      const state: FaultState = { ...rule, id: rule.id ?? `fault-${made}`, bitten: 0 };
      // A generator of its own: how often one rule is asked does not change another's rolls.
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
 * A rule from outside: either the rule, or every field that is wrong and what was expected there.
 */
export function parseFaultRule(value: unknown): { rule: FaultRule } | { problems: string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: ['A fault rule must be a JSON object.'] };
  const problems: string[] = [];
  return isFaultRule(value, problems) ? { rule: value } : { problems };
}
