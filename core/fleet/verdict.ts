/** What an operator asks first, answered from counts: is it healthy, what holds it up, is it Batch? */
import { stages, type Stage } from '../places.ts';

export interface StageFacts {
  stage: Stage;
  /** Unfinished tasks at this stage. Those at `poll` that run are not in it. */
  waiting: number;
  /** How long the oldest task has been at this stage. */
  oldestSeconds: number;
  /** Messages that no worker has taken yet, and how long the first one has waited. */
  messages: number;
  messageSeconds: number;
  laidAside: number;
  isPaused: boolean;
  workers: number;
  active: number;
  concurrency: number;
}

export interface FleetFacts {
  stages: readonly StageFacts[];
  running: number;
  /** Tasks for which AWS says why they do not start. */
  heldUp: number;
  silentWorkers: readonly string[];
  /** Why Redis does not answer; messages and workers are then unknown. */
  redisAway?: string | undefined;
}

export interface FleetProblem {
  severity: 'failing' | 'warning';
  message: string;
  /** What to do next. */
  advice: string;
}

/** A message this old waits for a worker that does not come. */
const STANDS_STILL_S = 60;

const count = (tasks: number, what = 'task'): string =>
  `${tasks.toLocaleString('en-US')} ${what}${tasks === 1 ? '' : 's'}`;

/** The most serious ones first. */
export function problemsOf(facts: FleetFacts): FleetProblem[] {
  const { redisAway, silentWorkers, heldUp } = facts;
  const problems: FleetProblem[] = [];
  const add = (severity: FleetProblem['severity'], message: string, advice: string): void =>
    void problems.push({ severity, message, advice });
  if (redisAway !== undefined)
    add('failing', `Redis is unavailable: ${redisAway}.`, 'Nothing is lost. Restore Redis.');
  else for (const stage of facts.stages) stageProblems(stage, add);
  for (const worker of silentWorkers)
    add(
      'warning',
      `Worker ${worker} is silent.`,
      'Check its host, or remove it if it was stopped.',
    );
  if (heldUp > 0)
    add(
      'warning',
      `AWS says why ${count(heldUp)} cannot start.`,
      'Open one of the oldest unfinished tasks to read the reason.',
    );
  return problems.toSorted(
    (one, other) => Number(one.severity === 'warning') - Number(other.severity === 'warning'),
  );
}

function stageProblems(
  facts: StageFacts,
  add: (severity: FleetProblem['severity'], message: string, advice: string) => void,
): void {
  const { stage, isPaused, workers, messages, messageSeconds, laidAside } = facts;
  if (workers === 0)
    add('failing', `No worker runs ${stage}.`, `Start a worker that runs ${stage}.`);
  if (isPaused)
    add('warning', `The stage ${stage} is paused.`, 'Resume it when the reason is gone.');
  else if (workers > 0 && messages > 0 && messageSeconds > STANDS_STILL_S)
    add(
      'warning',
      `The first of ${count(messages, 'message')} of ${stage} has waited for ${Math.round(messageSeconds)} s.`,
      'Start more workers, or read the log of those that run.',
    );
  if (laidAside > 0)
    add(
      'warning',
      `${count(laidAside, 'message')} of ${stage} failed too many times and ${laidAside === 1 ? 'was' : 'were'} laid aside.`,
      'Read their errors, correct the cause, then retry them.',
    );
}

export interface HoldUp {
  /** Absent when nothing waits. */
  stage?: Stage;
  message: string;
}

/** The stage with the most tasks that do not move, and why they do not. */
export function holdUpOf({
  stages: facts,
  running,
}: Pick<FleetFacts, 'stages' | 'running'>): HoldUp {
  const [most] = facts.toSorted(
    (one, other) =>
      other.waiting - one.waiting || stages.indexOf(one.stage) - stages.indexOf(other.stage),
  );
  if (!most || most.waiting === 0)
    return {
      message: running > 0 ? `Nothing: ${count(running)} run.` : 'Nothing: there is no work.',
    };
  return { stage: most.stage, message: `${count(most.waiting)} at ${most.stage}: ${whyAt(most)}` };
}

function whyAt({ stage, isPaused, workers, active, concurrency }: StageFacts): string {
  if (isPaused) return 'the stage is paused.';
  if (workers === 0) return 'no worker runs this stage.';
  if (stage === 'poll') return 'they wait in AWS Batch for a host.';
  if (concurrency > 0 && active >= concurrency) return 'all of its workers are busy.';
  if (stage === 'submit') return 'they wait to be packed, or for AWS to take them.';
  if (stage === 'cache-check')
    return 'they are being checked, or wait for an equal task that runs.';
  return 'its workers have room.';
}

export interface Blame {
  /** Who has most of the tasks that wait. */
  who: 'nobody' | 'batch' | 'batchwell';
  batch: number;
  batchwell: number;
  message: string;
}

export function blameOf({ stages: facts }: Pick<FleetFacts, 'stages'>): Blame {
  const sum = (isBatch: boolean): number =>
    facts
      .filter(({ stage }) => (stage === 'poll') === isBatch)
      .reduce((total, { waiting }) => total + waiting, 0);
  const [batch, batchwell] = [sum(true), sum(false)];
  if (batch + batchwell === 0)
    return { who: 'nobody', batch, batchwell, message: 'No task waits.' };
  const who = batch >= batchwell ? 'batch' : 'batchwell';
  const message =
    who === 'batch'
      ? `AWS Batch: ${count(batch)} wait there, and ${batchwell.toLocaleString('en-US')} here.`
      : `Batchwell: ${count(batchwell)} wait here, and ${batch.toLocaleString('en-US')} in AWS Batch.`;
  return { who, batch, batchwell, message };
}

export interface RecentEnds {
  tasks: number;
  /** In how much time they ended. */
  windowMs: number;
}

export interface Drain {
  /** Tasks that have not ended. */
  backlog: number;
  perMinute: number;
  /** At that rate; absent when no task ends. */
  seconds?: number;
}

export function drainOf(backlog: number, { tasks, windowMs }: RecentEnds): Drain {
  const perSecond = windowMs > 0 ? (tasks * 1000) / windowMs : 0;
  return {
    backlog,
    perMinute: perSecond * 60,
    ...(backlog === 0 ? { seconds: 0 } : perSecond > 0 && { seconds: backlog / perSecond }),
  };
}
