/** What is in the folder of an output and was not written by the attempt that counts. */
import { pathOfUrl } from '../files/file-url.ts';
import { joinUrl } from '../files/s3-url.ts';
import type { OutputOf, TaskSpec } from '../task/task.ts';
import { listNames } from './list-names.ts';
import type { ResultRecord } from './result.ts';

/** The outputs whose files a task chooses itself, in S3: an attempt that was lost may have chosen others. */
export const openOutputs = ({ outputs }: TaskSpec): OutputOf<string>[] =>
  outputs.filter(
    ({ type, path_prefix, url }) =>
      (type === 'DIRECTORY' || path_prefix !== undefined) && pathOfUrl(url) === undefined,
  );

/** S3's clock and the fleet's may differ by so much. */
const CLOCKS_MS = 300_000;

interface ListedObject {
  url: string;
  lastModifiedMs: number;
}

/**
 * Those that a lost attempt may have left, in their order. What was there before the task, what the task reads, and
 * what its outputs say is none of them. Times only spare people a needless warning: nothing is removed.
 */
export function strangersIn<T extends ListedObject>(
  listed: readonly T[],
  { spec, result, createdMs }: { spec: TaskSpec; result: ResultRecord; createdMs: number },
): T[] {
  const own = new Set([
    ...spec.inputs.flatMap(({ url }) => url ?? []),
    ...spec.outputs.map(({ url }) => url),
    ...result.outputs.map(({ output, path }) => joinUrl(spec.outputs[output]?.url ?? '', path)),
  ]);
  const folders = spec.inputs.flatMap(({ type, url }) =>
    type === 'DIRECTORY' && url !== undefined ? [url.replace(/\/*$/, '/')] : [],
  );
  return listed.filter(
    ({ url, lastModifiedMs }) =>
      lastModifiedMs > createdMs - CLOCKS_MS &&
      !own.has(url) &&
      !folders.some((folder) => url.startsWith(folder)),
  );
}

export const sayStrangers = (folder: string, urls: readonly string[], count: number): string =>
  `${count === 1 ? 'An object' : `${count.toLocaleString('en-US')} objects`} in ${folder} ${count === 1 ? 'is' : 'are'} not of ` +
  `the attempt that counts, and may be left by one that was lost: ${listNames(
    urls.map((url) => url.slice(folder.length)),
    count,
  )}. They are not outputs of this task. They were not changed.`;
