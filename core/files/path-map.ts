/** Paths of a client's own file system, where a part of it lies in S3 as well (a bucket that is mounted, say). */
import { containerPath } from '../container/container-path.ts';
import { pathOfUrl } from './file-url.ts';
import type { TaskSpec } from '../task/task.ts';

/** Path prefixes and the s3:// urls that stand for them, neither ending in a slash. */
export type PathMap = ReadonlyMap<string, string>;

/** @param items `/prefix=s3://bucket/prefix` @throws Error naming the item that is none */
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

/** Whether a path or url is this one or lies below it. */
const liesBelow = (one: string, above: string): boolean =>
  one === above || one.startsWith(`${above}/`);

/** The url in S3 of a path or file:// url below a mapped prefix, the longest that fits; any other url as it is. */
export function mapPath(url: string, map: PathMap): string {
  const path = pathOfUrl(url);
  if (path === undefined) return url;
  const [best] = [...map]
    .filter(([prefix]) => liesBelow(path, prefix))
    .toSorted(([a], [b]) => b.length - a.length);
  return best ? best[1] + path.slice(best[0].length) : url;
}

/** Two prefixes whose places in S3 lie in one another, so that an url would stand for two paths. */
export function findOverlap(map: PathMap): [string, string] | undefined {
  const pairs = [...map];
  for (const [path, url] of pairs) {
    const other = pairs.find(([another, below]) => another !== path && liesBelow(below, url));
    if (other) return [path, other[0]];
  }
  return undefined;
}

/** The opposite of mapPath, for a map without overlap; undefined for an url that no path stands for, or only one with `..` in it. */
export function unmapUrl(url: string, map: PathMap): string | undefined {
  const found = [...map].find(([, place]) => liesBelow(url, place));
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
