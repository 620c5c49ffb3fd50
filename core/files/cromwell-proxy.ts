/**
 * Which files move between a root that only Cromwell's hosts see and the s3:// URLs of its tasks:
 * the decisions of cromwell/proxy. A task is read as Cromwell sends it; the API refuses whatever
 * has another form.
 */
import { containerPath } from '../container/container-path.ts';
import { pathOfUrl } from './file-url.ts';
import { mapPath, unmapUrl, type PathMap } from './path-map.ts';
import { problemAt, type Problem } from '../problems.ts';
import { joinUrl } from './s3-url.ts';
import { isObject } from '../is-object.ts';

export interface MountedInput {
  /** `inputs[2].url` */
  field: string;
  path: string;
  url: string;
  isFolder: boolean;
}

export type UploadPlan = { problems: Problem[] } | { task: unknown; inputs: MountedInput[] };

type Fields = Readonly<Record<string, unknown>>;
const listIn = (from: unknown, name: string): Fields[] =>
  isObject(from) && Array.isArray(from[name]) ? from[name].filter(isObject) : [];
const textIn = (from: Fields | undefined, name: string): string | undefined =>
  typeof from?.[name] === 'string' ? from[name] : undefined;

/** The task with s3:// URLs, and the inputs that must be in S3 before it is sent on. */
export function planUploads(task: unknown, map: PathMap): UploadPlan {
  if (!isObject(task)) return { task, inputs: [] };
  const problems: Problem[] = [];
  const inputs: MountedInput[] = [];
  const eachOf = (list: 'inputs' | 'outputs'): Fields => {
    const items: unknown = task[list];
    if (!Array.isArray(items)) return {};
    return {
      [list]: items.map((item: unknown, index) =>
        mapItem(
          { item, field: `${list}[${index}].url`, map, problems },
          list === 'inputs' ? inputs : [],
        ),
      ),
    };
  };
  const mapped = { ...task, ...eachOf('inputs'), ...eachOf('outputs') };
  return problems.length > 0 ? { problems } : { task: mapped, inputs };
}

interface Item {
  item: unknown;
  field: string;
  map: PathMap;
  problems: Problem[];
}

function mapItem({ item, field, map, problems }: Item, found: MountedInput[]): unknown {
  const sent = isObject(item) ? textIn(item, 'url') : undefined;
  // Content takes precedence over a URL, as in the API.
  if (
    !isObject(item) ||
    sent === undefined ||
    pathOfUrl(sent) === undefined ||
    textIn(item, 'content')
  )
    return item;
  const [path, url] = placesOf(sent, map);
  if (path === undefined || url === undefined) {
    problems.push(
      problemAt(
        field,
        `a path without ".." below ${[...map.keys()].join(' or ')} (--map of batchwell cromwell-proxy), ` +
          `or ${field.startsWith('inputs') ? 'an s3:// or http(s)://' : 'an s3://'} URL`,
        sent,
      ),
    );
    return item;
  }
  const endsInSlash = sent.endsWith('/');
  found.push({ field, path, url, isFolder: item['type'] === 'DIRECTORY' || endsInSlash });
  return { ...item, url: endsInSlash ? `${url}/` : url };
}

/** For a path below a root: the path in its plain spelling, and its place in S3. */
function placesOf(sent: string, map: PathMap): [path: string, url: string] | [] {
  const path = containerPath(pathOfUrl(sent) ?? '');
  const url = path === undefined ? undefined : mapPath(path, map);
  return path === undefined || url === undefined || url === path ? [] : [path, url];
}

/**
 * URLs that a file of the call's own folder can have: rc, stdout and stderr are outputs by name, or
 * are in a folder that is an output as a whole.
 */
const urlsOfOwnFile = (task: unknown, name: string): string[] =>
  listIn(task, 'outputs').flatMap((output) => {
    const url = textIn(output, 'url') ?? '';
    if (output['type'] === 'DIRECTORY') return [joinUrl(url, name)];
    return output['name'] === name ? [url] : [];
  });

export interface HomeFile {
  url: string;
  path: string;
  /**
   * To Cromwell, rc marks the end of the call, and Cromwell writes it itself on an abort. So it
   * comes after all others and replaces nothing.
   */
  isRc: boolean;
}

/** The outputs of a successful task below the roots, as listed in its FULL view. */
export function filesToBringHome(task: unknown, map: PathMap): HomeFile[] {
  const rc = new Set(urlsOfOwnFile(task, 'rc'));
  const urls = new Set(
    listIn(task, 'logs')
      .flatMap((log) => listIn(log, 'outputs'))
      .map((file) => textIn(file, 'url') ?? ''),
  );
  return [...urls].flatMap((url) => {
    const path = unmapUrl(url, map);
    return path === undefined ? [] : [{ url, path, isRc: rc.has(url) }];
  });
}

/**
 * A failed task has no outputs. What its attempt printed is in its FULL view, and Cromwell's users
 * look for it in the call's folder.
 */
export function logsToBringHome(task: unknown, map: PathMap): { path: string; text: string }[] {
  const printed = listIn(listIn(task, 'logs')[0], 'logs');
  return ['stdout', 'stderr'].flatMap((name) => {
    const text = printed.map((executor) => textIn(executor, name) ?? '').join('');
    const path = urlsOfOwnFile(task, name)
      .map((url) => unmapUrl(url, map))
      .find((one) => one !== undefined);
    return path === undefined || text === '' ? [] : [{ path, text }];
  });
}

/**
 * States that end a call in Cromwell. A cancelled task has nothing to copy: Cromwell has written
 * its rc itself.
 */
export const bringsHome = (state: string | undefined): boolean =>
  state === 'COMPLETE' || state === 'EXECUTOR_ERROR' || state === 'SYSTEM_ERROR';
