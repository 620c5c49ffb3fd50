/**
 * A start as a key: `<time>.<index>.<attempt>.start.<proof>`, relative to the submission's `results/`,
 * where the records of ends are: one listing tells both. The object is empty.
 *
 * It is a hint for people: the state RUNNING and the timeline come from it, and no outcome does.
 */
import { isProof, proofOf } from '../submission/proof.ts';
import { headOfKey, readHead, type Recorded } from './result-key.ts';

const START = 'start';
const NOTHING = '';

export interface SeenStart {
  index: number;
  /** Batch's attempt, from 1. */
  attempt: number;
  /** By the clock of its host. */
  startedMs: number;
}

const startProof = ({ secret }: Recorded, head: string): Buffer =>
  proofOf(secret, 'start', [head], NOTHING);

export function encodeStartKey(recorded: Recorded, startedMs: number): string {
  const head = headOfKey(recorded, startedMs);
  return `${head}${START}.${startProof(recorded, head).toString('base64url')}`;
}

/** Whether a key under `results/` says that it is a start, whoever wrote it. */
export const isStartKey = (keyTail: string): boolean => keyTail.includes(`.${START}.`);

/** Undefined for a key that no stager of this submission wrote; never throws. */
export function decodeStartKey(secret: Buffer, keyTail: string): SeenStart | undefined {
  const head = readHead(keyTail);
  if (!head) return undefined;
  const { index, attempt, ms, text, rest } = head;
  const match = /^start\.([A-Za-z0-9_-]+)$/.exec(rest);
  if (!match) return undefined;
  const expected = startProof({ secret, index, attempt }, text);
  return isProof(Buffer.from(match[1] ?? '', 'base64url'), expected)
    ? { index, attempt, startedMs: ms }
    : undefined;
}

/**
 * A hint of a kind that this version does not know: `<time>.<index>.<attempt>.<kind>.<proof>`. Stagers
 * may come to leave more of them; workers pass over those of their submission.
 */
export const isUnknownHint = (secret: Buffer, keyTail: string): boolean => {
  const head = readHead(keyTail);
  const [, kind, proof] = /^([a-z]+)\.([A-Za-z0-9_-]+)$/.exec(head?.rest ?? '') ?? [];
  if (!head || kind === undefined || proof === undefined) return false;
  const { index, attempt, text } = head;
  return isProof(
    Buffer.from(proof, 'base64url'),
    hintProof({ secret, index, attempt }, kind, text),
  );
};

export const hintProof = ({ secret }: Recorded, kind: string, head: string): Buffer =>
  proofOf(secret, 'hint', [kind, head], NOTHING);
