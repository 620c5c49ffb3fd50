/** Files of one task that would take each other's place, where that is known before the task runs. */
import { containerPath } from '../container/container-path.ts';
import { pathOfUrl } from '../files/file-url.ts';
import { mapPath, type PathMap } from '../files/path-map.ts';
import { problemAt, type Problem } from '../problems.ts';
import type { InputOf, OutputOf } from './task.ts';

type Input = InputOf<string>;
type Output = OutputOf<string>;

/** A slash at the end of a folder's URL makes no difference. */
const urlOf = ({ url, type }: Input): string | undefined =>
  type === 'DIRECTORY' ? url?.replace(/\/$/, '') : url;

const isSameInput = (one: Input, other: Input): boolean =>
  urlOf(one) === urlOf(other) && one.content === other.content && one.type === other.type;

/** The same file may be declared twice at one path, and is taken once. */
export function refuseSharedPaths(inputs: readonly Input[], problems: Problem[]): void {
  const first = new Map<string, number>();
  inputs.forEach((input, index) => {
    const earlier = first.get(input.path);
    const other = earlier === undefined ? undefined : inputs[earlier];
    if (!other) first.set(input.path, index);
    else if (!isSameInput(other, input))
      problems.push(
        problemAt(
          `inputs[${index}].path`,
          `a path that no other input has; inputs[${earlier}].path is the same, and ${differenceOf(other, input)}`,
          input.path,
        ),
      );
  });
}

function differenceOf(one: Input, other: Input): string {
  if (one.type !== other.type) return 'one is a FILE and the other a DIRECTORY';
  return one.content === other.content ? 'their URLs differ' : 'their contents differ';
}

/** The key that a FILE is written to; of patterns and directories only the stager learns the keys. */
function targetOf({ url, type, path_prefix: prefix }: Output, map: PathMap): string | undefined {
  if (type !== 'FILE' || prefix !== undefined) return undefined;
  const mapped = mapPath(url, map);
  const path = pathOfUrl(mapped);
  return path === undefined ? mapped : (containerPath(path) ?? path);
}

/** One file may be declared twice for one URL, as Cromwell does it, and is written once. */
export function refuseSharedUrls(
  outputs: readonly Output[],
  map: PathMap | undefined,
  problems: Problem[],
): void {
  const first = new Map<string, number>();
  outputs.forEach((output, index) => {
    const target = targetOf(output, map ?? new Map());
    if (target === undefined) return;
    const earlier = first.get(target);
    if (earlier === undefined) first.set(target, index);
    else if (outputs[earlier]?.path !== output.path)
      problems.push(
        problemAt(
          `outputs[${index}].url`,
          `a URL that no other output has; outputs[${earlier}].url is the same, and one file would overwrite the other`,
          output.url,
        ),
      );
  });
}
