/** Failed tasks by reason: `1,204 × executor-failed: Executor 1 ended with exit code 3`. */
import { sha256 } from '../ids.ts';
import { commonForm } from './common-form.ts';

export interface FailedTask {
  /** Public id. */
  id: string;
  code: string;
  sentence: string;
  endedMs: number;
}

export interface FailureGroup {
  /** Names the group in requests: of the code and of what its sentences have in common. */
  key: string;
  code: string;
  /** Of the latest task. */
  sentence: string;
  tasks: number;
  firstMs: number;
  lastMs: number;
  /** The latest ones first. */
  examples: string[];
}

const EXAMPLES = 5;
const KEY_LENGTH = 12;

export const failureKey = ({ code, sentence }: Pick<FailedTask, 'code' | 'sentence'>): string =>
  sha256(`${code} ${commonForm(sentence)}`)
    .toString('hex')
    .slice(0, KEY_LENGTH);

/** The largest first. */
export function groupFailures(tasks: readonly FailedTask[]): FailureGroup[] {
  // Thousands of tasks often fail with one sentence.
  const keys = new Map<string, string>();
  const keyOf = (task: FailedTask): string => {
    const whole = `${task.code} ${task.sentence}`;
    const key = keys.get(whole) ?? failureKey(task);
    keys.set(whole, key);
    return key;
  };
  const groups = Map.groupBy(tasks, keyOf);
  return [...groups]
    .map(([key, members]): FailureGroup => {
      const latest = members.toSorted((one, other) => other.endedMs - one.endedMs);
      const times = latest.map(({ endedMs }) => endedMs);
      return {
        key,
        code: latest[0]?.code ?? '',
        sentence: latest[0]?.sentence ?? '',
        tasks: members.length,
        firstMs: times.at(-1) ?? 0,
        lastMs: times[0] ?? 0,
        examples: latest.slice(0, EXAMPLES).map(({ id }) => id),
      };
    })
    .toSorted((one, other) => other.tasks - one.tasks || other.lastMs - one.lastMs);
}
