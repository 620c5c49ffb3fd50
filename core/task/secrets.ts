/**
 * Variables whose names suggest a secret: only the container gets their values; they are never
 * shown.
 */
import { isSecretName } from './secret-names.ts';
import type { TaskOf } from './task.ts';
import type { SplitTask } from './template.ts';

const HIDDEN = '(hidden)';

function changeSecrets<S>(task: TaskOf<S>, change: (value: S) => S): TaskOf<S> {
  return {
    ...task,
    executors: task.executors.map((executor) =>
      executor.env
        ? {
            ...executor,
            env: Object.fromEntries(
              Object.entries(executor.env).map(([name, value]) => [
                name,
                isSecretName(name) ? change(value) : value,
              ]),
            ),
          }
        : executor,
    ),
  };
}

/** The task with its secrets hidden. */
export const hideSecrets = (spec: TaskOf<string>): TaskOf<string> =>
  changeSecrets(spec, () => HIDDEN);

/** A template and its values with the secrets hidden; everything else stays in place. */
export function hideSecretValues({ template, values }: SplitTask): SplitTask {
  const hidden = new Set<number>();
  const shown = changeSecrets(template, (text) => {
    if (typeof text === 'string') return HIDDEN;
    hidden.add(text.slot);
    return text;
  });
  return {
    template: shown,
    values: values.map((value, slot) => (hidden.has(slot) ? HIDDEN : value)),
  };
}
