/** Tells why a task was a hit or a miss, in lines as a person would say them. */
import { isEnd, type Place } from '../places.ts';
import type { CacheMode } from '../task/task.ts';
import type { ComparedCall, Difference } from './compared-call.ts';
import { differencesOf } from './differences.ts';
import { cacheReasons, isUnkeptReason, sayReason, unkeptReasons, type Why } from './reasons.ts';
import { spellTime } from './spell.ts';

/** A task as a sentence names it. */
export interface NamedTask {
  /** Public; absent where the caller may not see the task. */
  id?: string;
  name: string;
  createdMs: number;
}

/** What became of an earlier task. */
export interface PriorTask extends NamedTask {
  /** Key of its row: the higher, the later it was accepted. */
  key: number;
  place: Place;
  cache: CacheMode;
  unkept?: string;
  entry?: { usable: boolean; invalidReason?: string };
  call: ComparedCall;
}

export interface NearestTask {
  prior: PriorTask;
  differences: Difference[];
}

/** How unlike two tasks are: the variables of an environment count as one part. */
export const weightOf = (differences: readonly Difference[]): number =>
  new Set(differences.map(({ part }) => part.replace(/\.env\..*$/s, '.env'))).size;

const isCommand = ({ part }: Difference): boolean => part.endsWith('.command');

/**
 * The earlier task with the fewest differences. Of those with as many: one with the same command, one of the same name,
 * the newest.
 */
export function chooseNearest(
  { name, call }: { name: string; call: ComparedCall },
  priors: readonly PriorTask[],
): NearestTask | undefined {
  const ranked = priors.map((prior) => ({ prior, differences: differencesOf(call, prior.call) }));
  const rank = ({ prior, differences }: NearestTask): number[] => [
    weightOf(differences) + (isKnown(prior) ? 0 : UNKNOWN_INPUTS),
    differences.some(isCommand) ? 1 : 0,
    prior.name === name ? 0 : 1,
    isReusable(prior) ? 0 : 1,
    -prior.key,
  ];
  return ranked.toSorted((a, b) => compareLists(rank(a), rank(b)))[0];
}

/** What the inputs of a task held is not known when its caching was off. Then it counts as less like. */
const UNKNOWN_INPUTS = 2;

const isKnown = ({ call }: PriorTask): boolean =>
  call.inputs.every(({ stored, isHidden }) => stored !== undefined || isHidden === true);

const isReusable = ({ entry }: PriorTask): boolean => entry?.usable === true;

function compareLists(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, position) => value !== b[position]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

export interface ExplainedDecision {
  place: Place;
  /** Absent before the cache check. */
  why?: Why;
  source?: NamedTask;
  /** The task for which it waits now. */
  waitsFor?: NamedTask;
  hitMode?: 'copy' | 'reference';
  /** Why the entry of the source cannot be used, where that is known. */
  invalidReason?: string;
  unkept?: string;
  nearest?: NearestTask;
}

const nameTask = ({ id, name, createdMs }: NamedTask): string => {
  const facts = [...(name === '' ? [] : [name]), spellTime(createdMs)].join(', ');
  return id === undefined
    ? `a task of another owner (${spellTime(createdMs)})`
    : `${id} (${facts})`;
};

/** The first line is the decision; the others tell more. None ends with a full stop. */
export function explainLines(decision: ExplainedDecision): string[] {
  const { why, unkept } = decision;
  const lines = why ? decidedLines(decision, why) : [undecidedLine(decision)];
  if (unkept !== undefined && isUnkeptReason(unkept))
    lines.push(`Its own result was not kept: ${unkeptReasons[unkept]}`);
  return lines;
}

function undecidedLine({ place, waitsFor }: ExplainedDecision): string {
  if (waitsFor) return `Waiting for ${nameTask(waitsFor)}, which is running the same call`;
  return isEnd(place)
    ? 'Not decided: the task ended before its cache check'
    : 'Not decided yet: the task has not passed its cache check';
}

function decidedLines(decision: ExplainedDecision, why: Why): string[] {
  const { source, nearest, invalidReason, hitMode } = decision;
  const said = sayReason(why.reason, {
    ...(why.subject !== undefined && { subject: why.subject }),
    ...(source && { source: nameTask(source) }),
  });
  switch (cacheReasons[why.reason].verdict) {
    case 'hit': {
      const how = hitMode === undefined ? '' : hitMode === 'copy' ? ', copied' : ', by reference';
      return [`Hit: ${said}${how}`];
    }
    case 'miss':
      if (why.reason === 'no-entry') return missLines(nearest);
      return [
        `Miss: ${said}`,
        ...(invalidReason === undefined ? [] : [`      ${withoutStop(invalidReason)}`]),
      ];
    default:
      return [`Not cached: ${said}`];
  }
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, '');

function missLines(nearest: NearestTask | undefined): string[] {
  if (!nearest) return ['Miss: no earlier task is like it'];
  const { prior, differences } = nearest;
  const [first, ...more] = differences;
  const is = isKnown(prior) ? 'is' : 'declares';
  if (!first) return [`Miss: ${nameTask(prior)} ${is} the same call, but ${whyNothingLeft(prior)}`];
  return [
    `Miss: ${first.says}`,
    ...more.map(({ says }) => `      ${says}`),
    `Compared with ${nameTask(prior)}`,
  ];
}

/** Why an equal task was of no use. */
function whyNothingLeft({ place, cache, unkept, entry }: PriorTask): string {
  if (entry?.usable === false)
    return `its result can no longer be used: ${withoutStop(entry.invalidReason ?? 'the reason is not known')}`;
  if (entry) return 'its result was stored only after this task was checked';
  if (!isEnd(place)) return 'it has not ended';
  if (place !== 'done') return place === 'failed' ? 'it failed' : 'it was cancelled';
  if (cache === 'off') return 'caching was off for it';
  if (unkept !== undefined && isUnkeptReason(unkept))
    return `its result was not kept: ${unkeptReasons[unkept]}`;
  return 'its result is no longer in the cache';
}

/** The same in a few words without names, so that the tasks of a scatter can be grouped by it. */
export function briefOf(decision: ExplainedDecision): string {
  const { why, nearest, waitsFor } = decision;
  if (!why) return waitsFor ? 'waits for an equal task' : 'not decided yet';
  const subject = why.subject === undefined ? {} : { subject: why.subject };
  const { verdict } = cacheReasons[why.reason];
  if (verdict === 'hit') return why.reason === 'waited' ? 'hit, after waiting' : 'hit';
  if (verdict !== 'miss') return `not cached: ${sayReason(why.reason, subject)}`;
  if (why.reason !== 'no-entry') return sayReason(why.reason, subject);
  if (!nearest) return 'no earlier task is like it';
  const { prior, differences } = nearest;
  if (differences.length === 0)
    return `an earlier task is the same call, but ${whyNothingLeft(prior)}`;
  const told = differences.slice(0, MOST_BRIEF).map(({ brief }) => brief);
  const more = differences.length - told.length;
  return [...told, ...(more > 0 ? [`${more} more`] : [])].join('; ');
}

const MOST_BRIEF = 3;
