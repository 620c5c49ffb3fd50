/**
 * Why a task is a hit or is not, and why a finished run left no entry: two closed lists. A task's row keeps the code;
 * the sentence is made when somebody asks. `{subject}` is the thing that decided (the path of an input, an image) and
 * `{source}` the task whose result it is, or for which it waited.
 */
import type { NotKept } from './keep-run.ts';

/** `off`: caching was not requested. `uncached`: it was requested, and something prevents it. */
export const cacheVerdicts = ['hit', 'miss', 'off', 'uncached'] as const;
type CacheVerdict = (typeof cacheVerdicts)[number];

interface Reason {
  verdict: CacheVerdict;
  says: string;
}

export const cacheReasons = {
  'same-call': { verdict: 'hit', says: 'from {source}' },
  waited: { verdict: 'hit', says: 'waited for {source}' },

  'no-entry': { verdict: 'miss', says: 'no earlier task is the same call' },
  'leader-left-nothing': {
    verdict: 'miss',
    says: 'waited for {source}, which left no result to reuse',
  },
  'outputs-gone': { verdict: 'miss', says: 'the outputs of {source} can no longer be used' },
  'source-denied': { verdict: 'miss', says: 'the outputs of {source} may not be read' },
  'source-archived': {
    verdict: 'miss',
    says: 'the outputs of {source} are archived and cannot be read at once',
  },
  'copies-failed': {
    verdict: 'miss',
    says: 'the outputs of {source} could not be copied in time',
  },
  'copy-unproven': {
    verdict: 'miss',
    says: 'S3 did not prove that the copies of the outputs of {source} are whole',
  },
  'urls-exchanged': {
    verdict: 'miss',
    says: 'its outputs would overwrite those of {source} before they are copied',
  },
  'leader-failed': { verdict: 'miss', says: 'waited for {source}, which failed' },
  'entry-too-old': { verdict: 'miss', says: 'the result of an earlier task is too old' },
  'entry-elsewhere': {
    verdict: 'miss',
    says: 'the outputs of an earlier task are outside of the prefixes that hits may come from',
  },
  refresh: { verdict: 'miss', says: 'the task asks to run again (cache: refresh)' },
  'write-only': { verdict: 'miss', says: 'the task only writes the cache (cache: write)' },

  off: { verdict: 'off', says: 'caching is off for this task (cache: off)' },

  'read-off': { verdict: 'off', says: 'a setting of the fleet or of the owner turns hits off' },

  'no-outputs': { verdict: 'uncached', says: 'the task declares no outputs' },
  'input-missing': { verdict: 'uncached', says: 'input {subject} does not exist' },
  'input-denied': { verdict: 'uncached', says: 'input {subject} may not be read' },
  'input-no-identity': {
    verdict: 'uncached',
    says: 'input {subject} has neither a usable ETag nor a checksum of the whole object',
  },
  'input-not-in-s3': {
    verdict: 'uncached',
    says: 'input {subject} is not in S3, so that its content cannot be identified',
  },
  'output-not-in-s3': {
    verdict: 'uncached',
    says: 'output {subject} goes to a folder that hosts share, where a hit cannot copy it',
  },
  'files-undeclared': {
    verdict: 'uncached',
    says: 'its client reads or writes files that the task does not declare',
  },
  'image-not-resolved': {
    verdict: 'uncached',
    says: 'the registry did not tell the digest of image {subject}',
  },
} as const satisfies Record<string, Reason>;
export type CacheReason = keyof typeof cacheReasons;

export const isCacheReason = (code: string): code is CacheReason =>
  Object.hasOwn(cacheReasons, code);

/** Why the outputs of a run that ended well were not kept for later tasks (core/cache/keep-run.ts). */
export const unkeptReasons = {
  off: 'the task does not write the cache',
  'no-fingerprint': 'it was not known what its inputs or its image hold, or an output is not in S3',
  'no-outputs': 'the run wrote none of the declared outputs',
  'output-missing': 'the run did not write every declared output',
  'executor-failed': 'an executor failed, and its error was ignored',
  'client-failed': 'the client takes the run for a failed one',
  'input-changed': 'an input changed between the cache check and the run',
  'input-overwritten': 'an output overwrote one of the inputs',
} as const satisfies Record<NotKept['because'], string>;
export type UnkeptReason = keyof typeof unkeptReasons;

export const isUnkeptReason = (code: string): code is UnkeptReason =>
  Object.hasOwn(unkeptReasons, code);

/** The decision as the task's row keeps it. */
export interface Why {
  reason: CacheReason;
  /** The task whose result it is, or for which it waited. */
  sourceId?: number;
  /** The path of an input, or an image. */
  subject?: string;
}

/** The sentence of a reason, without a full stop. */
export const sayReason = (
  reason: CacheReason,
  { subject = 'of the task', source = 'an earlier task' }: { subject?: string; source?: string },
): string => cacheReasons[reason].says.replace('{subject}', subject).replace('{source}', source);
