/**
 * core/profiles knows the habits of TES clients: what they send and which answers they need. One
 * file per client; profiles.ts lists them.
 */
import type { ResultRecord } from '../result/result.ts';
import type { OutputOf, TaskSpec } from '../task/task.ts';
import { mapTexts } from '../task/template.ts';
import type { TesState } from '../task/tes-state.ts';

/** The facts by which a client is recognised. */
export interface SentTask {
  name: string;
  description: string;
  tags: Readonly<Record<string, string>>;
  spec: TaskSpec;
}

export interface CanonicalCall {
  /** The call without the names that the client generated for this run. */
  spec: TaskSpec;
  /**
   * By input position: the identity of its content, where the plain content differs between runs
   * that do the same.
   */
  identities: ReadonlyMap<number, string>;
}

export interface ClientProfile {
  /** Part of the fingerprint. Raise it whenever the canonical form changes. */
  version: number;
  recognises(task: SentTask): boolean;
  /** Changes the task where the client's habits conflict with Batchwell's. */
  adapt?(spec: TaskSpec, task: SentTask): TaskSpec;
  /**
   * Positions of inputs whose text `canonical` uses. Those that are not text, or too long, are not
   * given to it.
   */
  textsWanted?(spec: TaskSpec): number[];
  /** Undefined when the call does not have the known form. Then it is compared as it is. */
  canonical?(spec: TaskSpec, texts: ReadonlyMap<number, string>): CanonicalCall | undefined;
  /**
   * Whether the task may read or write files that it does not declare. Nothing can say what those hold, so it is not
   * cached.
   */
  hidesFiles?(spec: TaskSpec): boolean;
  /** Whether the outputs of a successful run may be reused; always when absent. */
  mayCache?(spec: TaskSpec, result: ResultRecord): boolean;
  /** Of a declared output: a successful run need not write it. */
  mayMiss?(output: OutputOf<string>): boolean;
  /** Identifies a request that is repeated without an Idempotency-Key. */
  requestName?(task: SentTask): string | undefined;
  /** The state that this client is shown instead. */
  showState?(state: TesState): TesState;
  /** Larger sizes are left out of answers. */
  largestSizeBytes?: number;
  /**
   * It treats logs[0] as the attempt that counts. TES appends attempts, and other clients use the
   * last one.
   */
  readsFirstLog?: boolean;
  /** Added to every logs[].metadata. */
  metadata?: Readonly<Record<string, string>>;
  /**
   * The client looks for outputs only at its own URLs, so a hit is always copied, whatever is
   * configured.
   */
  needsCopies?: boolean;
}

/**
 * Replaces a text of this run in a canonical form. Paths and scripts do not contain these brackets.
 */
export const mark = (name: string): string => `⟨${name}⟩`;

/** A text that itself contains such a mark is ambiguous. Then the call is compared as it is. */
export const holdsMark = (text: string): boolean => /[⟨⟩]/.test(text);

/** Names that a client generated for one run, and the marks that replace them. */
export interface RunNames {
  /** By folder. The mark also replaces the folder at the beginning of a longer path. */
  folders: ReadonlyMap<string, string>;
  /** By path of a file. */
  files: ReadonlyMap<string, string>;
}

/**
 * Where a path may begin: not within a word, and not after a bucket or host. `s3://lab/data/x` does
 * not name /data/x.
 */
const PATH_BEGINS = /(?<![\w.~/)}-])(?:s3:\/)?\/|(?<=file:\/\/)\//g;
const NAME_GOES_ON = /[\w.-]/;

/**
 * @param grown whether a text that begins with a file's path counts too, such as one with `.bai`
 * appended
 */
export type Renaming = (text: string, options: { grown: boolean }) => string;

/**
 * One pass, longest names first, so that a replacement is not replaced again. It does not use one
 * large pattern: a gather names thousands of files, and such a pattern took minutes.
 */
export function renaming({ folders, files }: RunNames): Renaming {
  const lengths = [
    ...new Set([...folders.keys(), ...files.keys()].map(({ length }) => length)),
  ].toSorted((a, b) => b - a);
  const nameAt = (
    text: string,
    index: number,
    grown: boolean,
  ): { name: string; stable: string } | undefined => {
    for (const length of lengths) {
      const name = text.slice(index, index + length);
      const file = files.get(name);
      const stable = file ?? folders.get(name);
      if (
        stable !== undefined &&
        ((grown && file !== undefined) || !NAME_GOES_ON.test(text.charAt(index + length)))
      )
        return { name, stable };
    }
    return undefined;
  };
  return (text, { grown }) => {
    let changed = '';
    let done = 0;
    for (const { index } of text.matchAll(PATH_BEGINS)) {
      const found = index < done ? undefined : nameAt(text, index, grown);
      if (!found) continue;
      changed += text.slice(done, index) + found.stable;
      done = index + found.name.length;
    }
    return changed + text.slice(done);
  };
}

/** All texts of the task. */
export function textsOf(spec: TaskSpec): string[] {
  const texts: string[] = [];
  mapTexts<string, string>(spec, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}
