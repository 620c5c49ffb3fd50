/**
 * Which image each task names, asked once for the whole fleet: answers are kept in a memo that all
 * processes share, and one of them asks while the others wait.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Architecture } from '../core/image/architecture.ts';
import { canonicalImage, parseImageName, type ImageName } from '../core/image/image-name.ts';
import type { ImageProblem, ImageSeen } from '../core/image/image-seen.ts';
import {
  RESOLVE_WITHIN_MS,
  type RegistryClient,
  type ResolvedTag,
  type TagAnswer,
} from './client.ts';

interface WantedImage {
  /** As the task names it. */
  image: string;
  architecture: Architecture;
}

interface MemoKey {
  /** `docker.io/library/ubuntu:latest` */
  image: string;
  architecture: Architecture;
}

interface MemoAnswer {
  key: MemoKey;
  answer: TagAnswer;
  /** Whether it still counts. By the memo's own clock, not by this process's. */
  isFresh: boolean;
}

/** Answers of registries, shared by the fleet. */
export interface ImageMemo {
  read(keys: readonly MemoKey[]): Promise<MemoAnswer[]>;
  /** Gives one caller the right to ask for a limited time; the others see false. */
  claim(key: MemoKey, forMs: number): Promise<boolean>;
  /** Also ends the claim. @param freshMs for how long it counts */
  save(key: MemoKey, answer: TagAnswer, freshMs: number): Promise<void>;
}

export interface ImageDigests {
  /**
   * By position. `pending`: a registry has not answered within the time given; the question goes on,
   * and its answer is there when it is asked again.
   */
  see(wanted: readonly WantedImage[], patienceMs: number): Promise<(ImageSeen | 'pending')[]>;
  /** Ends the questions under way. */
  close(): Promise<void>;
}

export interface ImageDigestOptions {
  client: RegistryClient;
  memo: ImageMemo;
  /** How long an answer counts, ms. */
  cacheMs: number;
  /** Registries that may be asked; all when empty. */
  registries: readonly string[];
  /** Called for each question that failed. */
  onProblem(image: string, problem: ImageProblem): void;
  /** Called when the memo cannot be written. */
  onTrouble(error: unknown): void;
}

/** Until a registry is asked again: a missing image may have been pushed, or the registry may be back. */
const PROBLEM_COUNTS_MS = 60_000;
/** Longer than any question: a process that died in the middle leaves its claim behind. */
const CLAIM_MS = RESOLVE_WITHIN_MS + 5000;
const LOOK_AGAIN_MS = 50;

interface Question {
  key: MemoKey;
  name: ImageName;
}

const idOf = ({ image, architecture }: MemoKey): string => `${image} ${architecture}`;

export function openImageDigests(options: ImageDigestOptions): ImageDigests {
  /** What this process is asking. It settles with the answer; undefined where it could not be kept. */
  const asking = new Map<string, Promise<TagAnswer | undefined>>();
  let closing = false;
  const open = { ...options, asking, isClosing: () => closing };
  return {
    async see(wanted, patienceMs) {
      const told = wanted.map((one) => withoutAsking(options, one));
      const questions = new Map(
        told.flatMap((one) => ('key' in one ? [[idOf(one.key), one] as const] : [])),
      );
      const answers = await answerAll(open, { questions, patienceMs });
      return told.map((one) => {
        if (!('key' in one)) return one;
        const answer = answers.get(idOf(one.key));
        return answer === undefined ? 'pending' : seenOf(answer);
      });
    },
    async close() {
      closing = true;
      options.client.close();
      await Promise.all(asking.values());
    },
  };
}

const seenOf = (answer: TagAnswer): ImageSeen =>
  'problem' in answer
    ? { problem: answer.problem }
    : { identity: `sha256:${answer.manifest}`, resolved: answer.manifest };

/** What needs no registry, or the question to one. */
function withoutAsking(
  { registries }: ImageDigestOptions,
  { image, architecture }: WantedImage,
): ImageSeen | Question {
  const name = parseImageName(image);
  if (!name) {
    const sentence = 'It is not a name that Docker accepts.';
    return { problem: { code: 'bad-name', sentence } };
  }
  if (name.digest !== undefined) return { identity: name.digest };
  if (registries.length > 0 && !registries.includes(name.registry)) {
    const sentence = `BATCHWELL_REGISTRIES does not name the registry ${name.registry}.`;
    return { problem: { code: 'not-allowed', sentence } };
  }
  return { key: { image: canonicalImage(name), architecture }, name };
}

interface Open extends ImageDigestOptions {
  asking: Map<string, Promise<TagAnswer | undefined>>;
  isClosing(): boolean;
}

interface Questions {
  questions: ReadonlyMap<string, Question>;
  patienceMs: number;
}

/** Those that were answered in time, by id. */
async function answerAll(
  open: Open,
  { questions, patienceMs }: Questions,
): Promise<Map<string, TagAnswer>> {
  const { memo, asking } = open;
  const answers = new Map<string, TagAnswer>();
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    const unanswered = [...questions].filter(([id]) => !answers.has(id));
    if (unanswered.length === 0) return answers;
    const known = await memo.read(unanswered.map(([, { key }]) => key));
    for (const { key, answer, isFresh } of known) if (isFresh) answers.set(idOf(key), answer);
    const before = new Map(known.map(({ key, answer }) => [idOf(key), answer]));
    const unknown = unanswered.filter(([id]) => !answers.has(id));
    for (const [id, question] of unknown) {
      if (asking.has(id) || !(await memo.claim(question.key, CLAIM_MS))) continue;
      asking.set(
        id,
        ask(open, question, before.get(id)).finally(() => asking.delete(id)),
      );
    }
    if (unknown.length === 0) return answers;
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return answers;
    // Its own answers as they come; those of other processes are in the memo by and by.
    const own = unknown.flatMap(([id]) => {
      const question = asking.get(id);
      return question ? [question.then((answer) => void (answer && answers.set(id, answer)))] : [];
    });
    const waitMs = own.length === unknown.length ? leftMs : Math.min(leftMs, LOOK_AGAIN_MS);
    const isLate = pause(waitMs, undefined, { ref: false });
    await Promise.race([isLate, ...(own.length > 0 ? [Promise.all(own)] : [])]);
  }
}

async function ask(
  { client, memo, cacheMs, onProblem, onTrouble, isClosing }: Open,
  { key, name }: Question,
  before: TagAnswer | undefined,
): Promise<TagAnswer | undefined> {
  try {
    const answer = await client.resolve({
      name,
      architecture: key.architecture,
      ...(isResolved(before) && { before }),
    });
    if ('problem' in answer && isClosing()) {
      // The question was aborted, which says nothing about the registry.
      await memo.save(key, answer, 0);
      return undefined;
    }
    if ('problem' in answer) onProblem(key.image, answer.problem);
    await memo.save(key, answer, 'problem' in answer ? PROBLEM_COUNTS_MS : cacheMs);
    return answer;
  } catch (error) {
    onTrouble(error);
    return undefined;
  }
}

const isResolved = (answer: TagAnswer | undefined): answer is ResolvedTag =>
  answer !== undefined && !('problem' in answer);
