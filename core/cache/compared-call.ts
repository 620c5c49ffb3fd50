/** A call as it is compared with another one for people, and a difference as it is shown. */
import type { TaskSpec } from '../task/task.ts';
import type { StoredInput } from './stored-input.ts';

export interface Difference {
  /** Names the part: `inputs[/in/a]`, `executors[0].env.THREADS`. */
  part: string;
  /** A few words, the same for all tasks that differ like this: `input ref.fa changed`. */
  brief: string;
  /** The whole: `input ref.fa changed (s3://lab/ref.fa, 27 Nov -> 28 Nov, 3.1 GB -> 3.1 GB)`. */
  says: string;
  /** Shortened; absent where there is none, and for secrets. */
  here?: string;
  there?: string;
}

export interface ComparedCall {
  spec: TaskSpec;
  /** By position of the declared inputs. */
  inputs: readonly KnownInput[];
  /** What the installation adds, by name (core/cache/setting.ts). */
  setting: Readonly<Record<string, string>>;
  /** Digest of all but what the inputs hold, hex; absent where it is not known. */
  base?: string;
  /** Digest of its image in hex, where its registry told it. */
  imageDigest?: string;
}

export interface KnownInput {
  /** What it held when its task was checked; absent where that is not known. */
  stored?: StoredInput;
  /** Nothing is shown about an object that the caller may not read. */
  isHidden?: boolean;
}
