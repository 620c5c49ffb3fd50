/** A task as cache-check knows it. */
import type { TaskComponents, TaskToFingerprint } from '../../../aws/fingerprints.ts';
import type { AfterLeader } from '../../../core/cache/after-leader.ts';
import type { TaskRow } from '../../../db/tasks.ts';
import type { AllowedEntry } from './allowed-entries.ts';

/** `cache` is what the switches leave of the mode that it asked for. */
export interface SwitchedRow extends TaskRow {
  readOff: boolean;
}

export interface CheckedTask {
  row: SwitchedRow;
  /** In which it is looked up; see core/cache/sharing.ts. */
  domain: string;
  hasOutputs: boolean;
  /** Absent when the image or an input has no identity, or caching is off. */
  fingerprint?: Buffer;
  /** What it is made of, or why there is no fingerprint. */
  described?: TaskComponents;
  call?: TaskToFingerprint;
  /** What was found when its inputs were identified, a moment ago. */
  looked?: AllowedEntry;
  /** Present when the task that it waited for has ended. */
  after?: AfterLeader;
}
