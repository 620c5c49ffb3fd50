/**
 * What only the container gets and is never shown: variables whose names suggest a secret. Tasks of
 * earlier versions may have URLs with a password, which are refused today.
 */
import { hideUser } from '../files/url-secrets.ts';
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

const withUrls = <S>(task: TaskOf<S>, change: (url: S) => S): TaskOf<S> => ({
  ...task,
  inputs: task.inputs.map((input) =>
    input.url === undefined ? input : { ...input, url: change(input.url) },
  ),
  outputs: task.outputs.map((output) => ({ ...output, url: change(output.url) })),
});

/** The task with its secrets hidden. */
export const hideSecrets = (spec: TaskOf<string>): TaskOf<string> =>
  withUrls(
    changeSecrets(spec, () => HIDDEN),
    hideUser,
  );

/** A template and its values with the secrets hidden; everything else stays in place. */
export function hideSecretValues({ template, values }: SplitTask): SplitTask {
  const hidden = new Set<number>();
  const urls = new Set<number>();
  const shown = withUrls(
    changeSecrets(template, (text) => {
      if (typeof text === 'string') return HIDDEN;
      hidden.add(text.slot);
      return text;
    }),
    (url) => {
      if (typeof url === 'string') return hideUser(url);
      urls.add(url.slot);
      return url;
    },
  );
  const show = (value: string, slot: number): string => {
    if (hidden.has(slot)) return HIDDEN;
    return urls.has(slot) ? hideUser(value) : value;
  };
  return { template: shown, values: values.map(show) };
}
