/** Why a task that does not run waits, and since when. Pure: from facts to a value. */
import type { Place } from '../places.ts';
import { wordsIn } from '../submission/waiting-reason.ts';
import { awsWaits, type AwsWait } from './aws-waits.ts';

/**
 * Beside what AWS does:
 * - worker: a worker of its stage has not taken it yet.
 * - redis: the messages to the workers wait for Redis.
 * - database: the API cannot reach the database, and shows what it last knew.
 * - company: attempts of one shape are packed into one submission.
 * - owner-limit: its owner has as many attempts in Batch as its limit allows.
 * - equal-call: an equal task runs, whose outputs it takes.
 * - retry-pause: it failed because of its host, and pauses.
 * - submission: it is packed, and SubmitJob is about to be called.
 */
export const waitingKinds = [
  'worker',
  'redis',
  'database',
  'company',
  'owner-limit',
  'equal-call',
  'retry-pause',
  'submission',
  ...awsWaits,
] as const;
export type WaitingKind = (typeof waitingKinds)[number];

export interface Waiting {
  for: WaitingKind;
  sinceMs: number;
  /** One sentence or two, for people. */
  message: string;
  /** How many tasks of the fleet are ahead of it in its job queue. */
  ahead?: number;
  /** The equal task, if it is of the same owner. */
  task?: string;
}

export interface WaitingSubmission {
  createdMs: number;
  submittedMs?: number | undefined;
  queue: string;
  /** What AWS does with it, since when, and in which words. */
  aws?: { for: AwsWait; sinceMs: number; words: string } | undefined;
  ahead?: number | undefined;
}

export interface WaitingFacts {
  place: Place;
  running: boolean;
  /** When it came to its place. */
  movedMs: number;
  /** The equal task that runs. Its id only where it is of the same owner. */
  leader?: { id?: string } | undefined;
  /** Why the script of its template cannot be written. */
  script?: { words: string; sinceMs: number } | undefined;
  /** It is not packed before this time. */
  retryMs?: number | undefined;
  submission?: WaitingSubmission | undefined;
  /** Present where its owner has a limit. */
  owner?: { limit: number; inBatch: number } | undefined;
  /** Since when Redis does not answer. */
  redisAwayMs?: number | undefined;
}

export interface WaitingPolicy {
  /** Longest time an attempt waits to be packed. */
  packLongestMs: number;
}

/** What a count of many tasks knows of each. */
export interface CountedWait {
  place: Place;
  running: boolean;
  /** Whether an equal task runs. */
  equal: boolean;
  packed: boolean;
  aws: AwsWait | null;
}

/** The kind alone; a limit of an owner counts as company. Undefined for one that runs or has ended. */
export function kindOfWait({
  place,
  running,
  equal,
  packed,
  aws,
}: CountedWait): WaitingKind | undefined {
  if (place === 'cache-check') return equal ? 'equal-call' : 'worker';
  if (place === 'stage-script') return 'worker';
  if (place === 'submit') return packed ? (aws ?? 'submission') : 'company';
  return place === 'poll' && !running ? (aws ?? 'capacity') : undefined;
}

/** Undefined for a task that runs or has ended. */
export function decideWaiting(
  facts: WaitingFacts,
  policy: WaitingPolicy,
  nowMs: number,
): Waiting | undefined {
  const { place, running, redisAwayMs } = facts;
  if (place === 'poll') return running ? undefined : inBatch(facts, nowMs);
  if (place !== 'cache-check' && place !== 'stage-script' && place !== 'submit') return undefined;
  if (redisAwayMs !== undefined)
    return {
      for: 'redis',
      sinceMs: redisAwayMs,
      message:
        `Redis has not answered since ${spellTime(redisAwayMs, nowMs)}: messages to the workers ` +
        'wait. The task is stored, and goes on by itself when Redis is back.',
    };
  if (place === 'submit') return atSubmit(facts, policy, nowMs);
  return (
    (place === 'cache-check' ? atCacheCheck(facts) : atStageScript(facts, nowMs)) ??
    forWorker(facts, place, nowMs)
  );
}

const forWorker = (
  { movedMs }: WaitingFacts,
  place: 'cache-check' | 'stage-script',
  nowMs: number,
): Waiting => ({
  for: 'worker',
  sinceMs: movedMs,
  message: `It has waited for a ${place} worker since ${spellTime(movedMs, nowMs)}.`,
});

function atCacheCheck({ leader, movedMs }: WaitingFacts): Waiting | undefined {
  if (!leader) return undefined;
  const which = leader.id === undefined ? 'An equal task' : `An equal task, ${leader.id},`;
  return {
    for: 'equal-call',
    sinceMs: movedMs,
    message:
      `${which} is being computed. This one takes its outputs when it ends. To run it all the ` +
      'same, submit it with merge set to off.',
    ...(leader.id !== undefined && { task: leader.id }),
  };
}

const atStageScript = ({ script }: WaitingFacts, nowMs: number): Waiting | undefined =>
  script && fromAws({ for: 'permission', ...script }, { nowMs, queue: '' });

function atSubmit(
  { submission, retryMs, movedMs, owner }: WaitingFacts,
  { packLongestMs }: WaitingPolicy,
  nowMs: number,
): Waiting {
  if (submission) {
    const { aws, queue, createdMs } = submission;
    return aws
      ? fromAws(aws, { nowMs, queue })
      : {
          for: 'submission',
          sinceMs: createdMs,
          message: `It is packed, and is about to be submitted to the job queue ${queue}.`,
        };
  }
  if (retryMs !== undefined && retryMs > nowMs)
    return {
      for: 'retry-pause',
      sinceMs: movedMs,
      message: `Its host failed to run it. It is submitted again after ${spellTime(retryMs, nowMs)}.`,
    };
  if (owner && owner.inBatch >= owner.limit)
    return {
      for: 'owner-limit',
      sinceMs: movedMs,
      message:
        `Its owner may have ${owner.limit} attempts in AWS Batch at once, and has ` +
        `${owner.inBatch}. It is submitted when one of them ends.`,
    };
  return {
    for: 'company',
    sinceMs: movedMs,
    message:
      'It waits for tasks of its shape, to be submitted with them, until ' +
      `${spellTime(movedMs + packLongestMs, nowMs)} at the latest.`,
  };
}

function inBatch({ submission, movedMs }: WaitingFacts, nowMs: number): Waiting {
  const { queue = '', aws, ahead, submittedMs = movedMs } = submission ?? {};
  if (aws && aws.for !== 'capacity') return fromAws(aws, { nowMs, queue });
  const line =
    ahead === undefined
      ? ''
      : ahead === 0
        ? ' No task of this fleet is ahead of it.'
        : ` ${ahead} ${ahead === 1 ? 'task' : 'tasks'} of this fleet ${ahead === 1 ? 'is' : 'are'} ahead of it.`;
  return {
    for: 'capacity',
    sinceMs: submittedMs,
    message:
      `It has waited in the job queue ${queue} since ${spellTime(submittedMs, nowMs)}.${line}` +
      (aws ? ` AWS Batch says: ${aws.words}` : ''),
    ...(ahead !== undefined && { ahead }),
  };
}

/** These end without anybody's help. */
const passes: Partial<Record<AwsWait, true>> = { throttling: true, settling: true, capacity: true };
const HELP = 'Batchwell tries again until an operator has corrected this.';

/** Of every task that had not ended when it was last seen. */
export const databaseAway = (sinceMs: number, nowMs: number): Waiting => ({
  for: 'database',
  sinceMs,
  message:
    `The database has not answered since ${spellTime(sinceMs, nowMs)}: this is what was last ` +
    'known. What runs in AWS Batch goes on.',
});

/** What an operator has to know first: which request, and since when. */
function fromAws(
  { for: kind, sinceMs, words }: NonNullable<WaitingSubmission['aws']>,
  { nowMs, queue }: { nowMs: number; queue: string },
): Waiting {
  const since = `since ${spellTime(sinceMs, nowMs)}`;
  const what: Record<AwsWait, string> = {
    permission: `AWS denies ${deniedOperation(words)} ${since}`,
    'queue-disabled': `The job queue ${queue} is disabled ${since}`,
    network: `AWS has not been reached ${since}`,
    throttling: `AWS throttles the fleet ${since}`,
    settling: `AWS Batch has not known the job definition or the job queue ${queue} ${since}`,
    misconfiguration: `AWS Batch says ${since} that no host of the job queue ${queue} can run it`,
    capacity: `The job queue ${queue} has had no room ${since}`,
  };
  const message = `${what[kind]}: ${wordsIn(words).replace(/\.$/, '')}.`;
  return { for: kind, sinceMs, message: passes[kind] ? message : `${message} ${HELP}` };
}

/** `User … is not authorized to perform: batch:SubmitJob on …` names the operation. */
const deniedOperation = (words: string): string =>
  /\b(?:batch|s3|iam|ecr|logs|sts|kms|secretsmanager):([A-Z]\w+)/.exec(words)?.[1] ?? 'a request';

/** `19:15 UTC`, with the date where it is not today's. */
export function spellTime(ms: number, nowMs: number): string {
  const [date = '', time = ''] = new Date(ms).toISOString().split('T');
  const isToday = new Date(nowMs).toISOString().startsWith(date);
  return `${isToday ? '' : `${date} `}${time.slice(0, 5)} UTC`;
}
