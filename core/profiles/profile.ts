/**
 * What a kind of client sends, and how it wants to be answered. One file per client; the table of
 * them is in profiles.ts.
 */
import type { ResultRecord } from '../result/result.ts';
import type { TaskSpec } from '../task/task.ts';
import { mapTexts } from '../task/template.ts';
import type { TesState } from '../task/tes-state.ts';

/** What tells a client by its task. */
export interface SentTask {
  name: string;
  description: string;
  tags: Readonly<Record<string, string>>;
  spec: TaskSpec;
}

export interface CanonicalCall {
  /** The call without what the client made up for this one run of it. */
  spec: TaskSpec;
  /**
   * By input position, what it holds, where its plain content would tell runs apart that do the
   * same.
   */
  identities: ReadonlyMap<number, string>;
}

export interface ClientProfile {
  /** Goes into the fingerprint: raised whenever the canonical form changes. */
  version: number;
  recognises(task: SentTask): boolean;
  /** The task as it is run, where the client's habits and ours do not go together. */
  adapt?(spec: TaskSpec): TaskSpec;
  /**
   * Positions of inputs whose text `canonical` needs; it does without those that are no text, or
   * too long.
   */
  textsWanted?(spec: TaskSpec): number[];
  /** Undefined where the call has not the form that is known: then it is taken as it is. */
  canonical?(spec: TaskSpec, texts: ReadonlyMap<number, string>): CanonicalCall | undefined;
  /** Whether outputs of a run that ended well may be used again; always when absent. */
  mayCache?(spec: TaskSpec, result: ResultRecord): boolean;
  /** What a request is known by when it is sent again without an Idempotency-Key. */
  requestName?(task: SentTask): string | undefined;
  /** The state that is shown instead. */
  showState?(state: TesState): TesState;
  /** Sizes above it are left out. */
  largestSizeBytes?: number;
  /** It takes logs[0] for the attempt that counts; TES appends them, and others take the last. */
  readsFirstLog?: boolean;
  /** Always in logs[].metadata. */
  metadata?: Readonly<Record<string, string>>;
  /**
   * The client looks for outputs at its own urls only, so a hit is copied whatever is configured.
   */
  needsCopies?: boolean;
}

/**
 * What stands for a text of this run in a canonical form. The brackets are such as no path or
 * script has.
 */
export const mark = (name: string): string => `⟨${name}⟩`;

/**
 * A text that holds such a mark itself could be taken for another: then the call is compared as it
 * is.
 */
export const holdsMark = (text: string): boolean => /[⟨⟩]/.test(text);

/** What a client made up for one run, and what stands for it in every run. */
export interface RunNames {
  /** Folders; a path that lies in one begins with what stands for it. */
  folders: ReadonlyMap<string, string>;
  /** Paths of files. */
  files: ReadonlyMap<string, string>;
}

/**
 * Where a path may begin. Not within a word, and not behind a bucket or host: `s3://lab/data/x`
 * does not name /data/x.
 */
const PATH_BEGINS = /(?<![\w.~/)}-])(?:s3:\/)?\/|(?<=file:\/\/)\//g;
const NAME_GOES_ON = /[\w.-]/;

/**
 * @param grown whether what begins with a file's path counts, as the `.bai` that a command puts
 * behind it
 */
export type Renaming = (text: string, options: { grown: boolean }) => string;

/**
 * In one pass, the longest first, so that what was put in is not looked at again. Not by one large
 * pattern: a gather names thousands of files, and such a pattern took minutes.
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

/** Every text of the task. */
export function textsOf(spec: TaskSpec): string[] {
  const texts: string[] = [];
  mapTexts<string, string>(spec, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}
