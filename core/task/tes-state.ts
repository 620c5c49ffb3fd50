/**
 * The TES state of each place of a task. States of TES 1.1 are shown on request only: they make
 * Cromwell, Nextflow and Snakemake hang.
 */
import { failureKinds, type FailureKind } from '../retry/failures.ts';
import { places, type Place } from '../places.ts';

export const tesStates = [
  'UNKNOWN',
  'QUEUED',
  'INITIALIZING',
  'RUNNING',
  'PAUSED',
  'COMPLETE',
  'EXECUTOR_ERROR',
  'SYSTEM_ERROR',
  'CANCELED',
  'PREEMPTED',
  'CANCELING',
] as const;
export type TesState = (typeof tesStates)[number];

/** The TES versions whose states a client may ask for. */
const stateVersions = ['1.0', '1.1'] as const;
export type StateVersion = (typeof stateVersions)[number];

/** Those of TES 1.0, which every client knows. */
export const shownStates = [
  'QUEUED',
  'RUNNING',
  'COMPLETE',
  'EXECUTOR_ERROR',
  'SYSTEM_ERROR',
  'CANCELED',
] as const;

export interface Standing {
  place: Place;
  /** Whether its own container was seen running. */
  running: boolean;
  failureCode?: string | undefined;
  /** Whether one of its jobs may still run. */
  jobOpen?: boolean | undefined;
}

/**
 * The place alone decides, except for `poll` (RUNNING once seen running) and `failed` (depends on
 * the cause).
 */
const stateOfPlace: Record<Exclude<Place, 'poll' | 'failed'>, TesState> = {
  'cache-check': 'QUEUED',
  'stage-script': 'QUEUED',
  submit: 'QUEUED',
  finalize: 'RUNNING',
  done: 'COMPLETE',
  cancelled: 'CANCELED',
};

const isFailureKind = (code: string | undefined): code is FailureKind =>
  code !== undefined && Object.hasOwn(failureKinds, code);

/**
 * With the states that TES 1.1 added: PREEMPTED when retries after host losses ran out, CANCELING
 * until the job has ended.
 */
export function tes11StateOf(standing: Standing): TesState {
  if (standing.place === 'failed' && standing.failureCode === 'host-lost') return 'PREEMPTED';
  return standing.place === 'cancelled' && standing.jobOpen ? 'CANCELING' : tesStateOf(standing);
}

export function tesStateOf({ place, running, failureCode }: Standing): TesState {
  if (place === 'poll') return running ? 'RUNNING' : 'QUEUED';
  if (place === 'failed')
    return isFailureKind(failureCode) ? failureKinds[failureCode].tesState : 'SYSTEM_ERROR';
  return stateOfPlace[place];
}

/** Everything that decides a state, as a filter. */
export interface StandingFilter {
  places: Place[];
  /**
   * Of the tasks at `poll`, only those seen running, or only the others; absent for none of them.
   */
  pollRunning?: boolean;
  /**
   * Of the failed tasks, those with these codes or (not `among`) with any other; absent for none of
   * them.
   */
  failures?: { codes: FailureKind[]; among: boolean };
}

const executorFaults = Object.keys(failureKinds)
  .filter(isFailureKind)
  .filter((kind) => failureKinds[kind].tesState === 'EXECUTOR_ERROR');

/** The standings that are shown as this state. */
export function standingsOf(state: TesState): StandingFilter {
  return {
    places: places.filter(
      (place) => place !== 'poll' && place !== 'failed' && stateOfPlace[place] === state,
    ),
    ...((state === 'RUNNING' || state === 'QUEUED') && { pollRunning: state === 'RUNNING' }),
    ...((state === 'EXECUTOR_ERROR' || state === 'SYSTEM_ERROR') && {
      failures: { codes: executorFaults, among: state === 'EXECUTOR_ERROR' },
    }),
  };
}
