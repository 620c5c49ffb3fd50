/** The known clients. A task's profile is stored with it, under its name here. */
import { cromwell } from './cromwell.ts';
import {
  tes11StateOf,
  tesStateOf,
  type Standing,
  type StateVersion,
  type TesState,
} from '../task/tes-state.ts';
import { nextflow } from './nextflow.ts';
import { snakemake } from './snakemake.ts';
import { profileNames, type ProfileName } from './profile-names.ts';
import type { ClientProfile, SentTask } from './profile.ts';

/** A client that follows the TES spec. */
const generic: ClientProfile = { version: 1, recognises: () => true };

/** Treats QUEUED as failed. Its tasks cannot be recognised, so the profile must be named. */
const pulsar: ClientProfile = {
  version: 1,
  recognises: () => false,
  readsFirstLog: true,
  showState: (state) => (state === 'QUEUED' ? 'INITIALIZING' : state),
};

export const profiles: Readonly<Record<ProfileName, ClientProfile>> = {
  cromwell,
  nextflow,
  snakemake,
  pulsar,
  generic,
};

/** The state in the form that the client understands. */
export function shownStateOf(
  standing: Standing & { profile: ProfileName },
  states: StateVersion,
): TesState {
  const state = states === '1.1' ? tes11StateOf(standing) : tesStateOf(standing);
  return profiles[standing.profile].showState?.(state) ?? state;
}

/** The first profile that recognises the task by its shape. */
export const recogniseClient = (task: SentTask): ProfileName =>
  profileNames.find((name) => profiles[name].recognises(task)) ?? 'generic';
