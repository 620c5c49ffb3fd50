/**
 * What TES calls the place where a task stands. States of TES 1.1 only on request: they make
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

/** Which states a client can read. */
export const stateVersions = ['1.0', '1.1'] as const;
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
  /** Whether its submission was seen running. */
  running: boolean;
  failureCode?: string | undefined;
  /** Whether a job of it may still run. */
  jobOpen?: boolean | undefined;
}

/**
 * The place alone decides, but for `poll` (RUNNING once seen running) and `failed` (whose fault it
 * was).
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
 * With the states that TES 1.1 added: a host that was lost for good, and a cancel whose job still
 * has to end.
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

/** Everything that decides a state: a filter by state is a choice of these. */
export interface StandingFilter {
  places: Place[];
  /**
   * Of the tasks at `poll`, only those seen running, or only the others; absent when none are
   * wanted.
   */
  pollRunning?: boolean;
  /**
   * Of the failed tasks, those with these codes or (not `among`) with any other; absent when none
   * are wanted.
   */
  failures?: { codes: FailureKind[]; among: boolean };
}

const executorFaults = Object.keys(failureKinds)
  .filter(isFailureKind)
  .filter((kind) => failureKinds[kind].tesState === 'EXECUTOR_ERROR');

/** Which standings show as this state. */
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
