/**
 * Paths of a client's own file system, parts of which are in S3 as well (a mounted bucket, for
 * example).
 */
import { containerPath } from '../container/container-path.ts';
import { pathOfUrl } from './file-url.ts';
import type { TaskSpec } from '../task/task.ts';

/** Path prefixes and their s3:// URLs. Neither ends in a slash. */
export type PathMap = ReadonlyMap<string, string>;

/** @param items `/prefix=s3://bucket/prefix` @throws Error naming the item that is not valid */
export function readPathMap(items: readonly string[]): PathMap {
  return new Map(
    items.map((item): [string, string] => {
      const match = /^(\/[^=]*)=(s3:\/\/[a-z0-9][a-z0-9.-]+(?:\/.*)?)$/.exec(item);
      if (!match?.[1] || !match[2])
        throw new Error(`expected /path=s3://bucket/prefix, got ${JSON.stringify(item)}`);
      return [match[1].replace(/\/+$/, ''), match[2].replace(/\/+$/, '')];
    }),
  );
}

/** Whether a path or URL is this one or is below it. */
const isBelow = (one: string, above: string): boolean =>
  one === above || one.startsWith(`${above}/`);

/**
 * The S3 URL of a path or file:// URL below a mapped prefix (the longest that matches); any other
 * URL unchanged.
 */
export function mapPath(url: string, map: PathMap): string {
  const path = pathOfUrl(url);
  if (path === undefined) return url;
  const [best] = [...map]
    .filter(([prefix]) => isBelow(path, prefix))
    .toSorted(([a], [b]) => b.length - a.length);
  return best ? best[1] + path.slice(best[0].length) : url;
}

/** Two prefixes whose places in S3 overlap, so that a URL would have two paths. */
export function findOverlap(map: PathMap): [string, string] | undefined {
  const pairs = [...map];
  for (const [path, url] of pairs) {
    const other = pairs.find(([another, below]) => another !== path && isBelow(below, url));
    if (other) return [path, other[0]];
  }
  return undefined;
}

/**
 * The inverse of mapPath, for a map without overlap; undefined for a URL without a path, or whose
 * path contains `..`.
 */
export function unmapUrl(url: string, map: PathMap): string | undefined {
  const found = [...map].find(([, place]) => isBelow(url, place));
  const path = found && found[0] + url.slice(found[1].length);
  return path !== undefined && containerPath(path) === path && mapPath(path, map) === url
    ? path
    : undefined;
}

export function mapPaths(spec: TaskSpec, map: PathMap | undefined): TaskSpec {
  if (map === undefined || map.size === 0) return spec;
  return {
    ...spec,
    inputs: spec.inputs.map((input) =>
      input.url === undefined ? input : { ...input, url: mapPath(input.url, map) },
    ),
    outputs: spec.outputs.map((output) => ({ ...output, url: mapPath(output.url, map) })),
  };
}
