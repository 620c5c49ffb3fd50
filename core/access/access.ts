/**
 * What a caller is allowed to do, and what its tasks are allowed to name. This folder: the rules of
 * access control.
 */
import { memberPath, problemAt, type Problem } from '../problems.ts';
import { OWN_FOLDERS } from '../files/s3-layout.ts';
import { mapPath, type PathMap } from '../files/path-map.ts';
import type { Offers } from './offers.ts';
import type { ProfileName } from '../profiles/profile-names.ts';
import type { TaskSpec } from '../task/task.ts';

/** `admin` allows the queue board and tokens. It gives no access to the tasks of other owners. */
export const scopes = ['submit', 'read', 'cancel', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What tasks are allowed to name. An absent list sets no limit, except for job roles. */
interface Limits {
  /**
   * Prefixes of inputs and outputs: `s3://bucket`, `s3://bucket/prefix`, `https://host/path`,
   * `/mount`.
   */
  urls?: readonly string[];
  /** Job queues by name or ARN; the first is the default of tasks that name none. */
  queues?: readonly string[];
  /**
   * ARNs of IAM roles that a task may name in place of the fleet's own. Absent in a token:
   * BATCHWELL_JOB_ROLES.
   */
  jobRoles?: readonly string[];
}

export interface Access {
  owner: string;
  scopes: readonly Scope[];
  /** Callers with the same domain share a call cache. */
  cacheDomain: string;
  limits: Limits;
  /** The client whose conventions apply to the tasks. Absent: detected from each task. */
  profile?: ProfileName;
}

/** A message for the caller; undefined when the scope is allowed. */
export const whyNotAllowed = ({ scopes }: Access, scope: Scope): string | undefined =>
  scopes.includes(scope)
    ? undefined
    : `This token lacks the scope ${scope}; its scopes are: ${scopes.join(', ') || 'none'}. ` +
      `Use a token with the scope ${scope}.`;

/** All scopes, without limits. */
export const fullAccess = (owner: string): Access => ({
  owner,
  scopes,
  cacheDomain: owner,
  limits: {},
});

const isBelow = (url: string, allowed: string): boolean =>
  url === allowed || url.startsWith(allowed.endsWith('/') ? allowed : `${allowed}/`);

/** The name of a queue or role, which is the end of its ARN. */
const nameOf = (arn: string): string => arn.slice(arn.lastIndexOf('/') + 1);

const isAmong = (given: string, allowed: readonly string[]): boolean =>
  allowed.some(
    (one) =>
      one === given ||
      ((!one.startsWith('arn:') || !given.startsWith('arn:')) && nameOf(one) === nameOf(given)),
  );

export interface Boundaries {
  limits?: Limits | undefined;
  /** Folders of the hosts that tasks may name by path or file:// URL. */
  fileRoots?: readonly string[] | undefined;
  /** URL prefixes of Batchwell itself: the scripts, manifests, logs and results of every task. */
  ownUrls?: readonly string[] | undefined;
  /** Where the paths of a client's file system are in S3. */
  pathMap?: PathMap | undefined;
  /** What the installation offers besides; nothing when absent. */
  offers?: Offers | undefined;
}

/** Reports every URL, queue and role that the task is not allowed to name. */
export function refuseForbidden(
  { inputs, outputs, resources }: Pick<TaskSpec, 'inputs' | 'outputs' | 'resources'>,
  boundaries: Boundaries,
  problems: Problem[],
): void {
  const files = [
    ...inputs.map((one, index) => ({ field: `inputs[${index}].url`, one, isFolder: false })),
    ...outputs.map((one, index) => ({
      field: `outputs[${index}].url`,
      one,
      isFolder: one.path_prefix !== undefined,
    })),
  ];
  for (const { field, one, isFolder } of files) {
    if (one.url === undefined) continue;
    const url = mapPath(one.url, boundaries.pathMap ?? new Map());
    const use = { url, isFolder: isFolder || one.type === 'DIRECTORY' };
    const expected = expectedInstead(use, boundaries);
    if (expected !== undefined) problems.push(problemAt(field, expected, one.url));
  }
  refuseResources(resources, boundaries.limits ?? {}, problems);
}

/** Whether a caller may name the URL, and so may be told about what is there. */
export const mayName = (url: string, boundaries: Boundaries): boolean =>
  expectedInstead({ url, isFolder: url.endsWith('/') }, boundaries) === undefined;

function refuseResources(
  { queue, job_role: role }: TaskSpec['resources'],
  { queues, jobRoles = [] }: Limits,
  problems: Problem[],
): void {
  const refuse = (name: string, expected: string, got: string): number =>
    problems.push(problemAt(memberPath('resources.backend_parameters', name), expected, got));
  if (queue !== undefined && queues && !isAmong(queue, queues))
    refuse('queue', `a job queue that this token allows: ${queues.join(', ') || 'none'}`, queue);
  if (role !== undefined && !jobRoles.includes(role))
    refuse('job_role', `a job role that this token allows: ${jobRoles.join(', ') || 'none'}`, role);
}

/**
 * What was expected in place of a URL, once paths are mapped; undefined when the URL is allowed.
 */
function expectedInstead(use: UrlUse, boundaries: Boundaries): string | undefined {
  const { url } = use;
  const path = url.startsWith('file://') ? url.slice('file://'.length) : url;
  return (
    ownInstead(use, boundaries) ?? pathInstead(path, boundaries) ?? limitedInstead(path, boundaries)
  );
}

interface UrlUse {
  url: string;
  /** The stager reads or writes what is below it, with a slash between. */
  isFolder: boolean;
}

/**
 * Write access there could forge the results of other tasks, and read access could reveal their
 * values. A URL is judged as what the stager makes of it: `s3://bucket/submissions` is a file of
 * that name, and as a directory it is all that is below `s3://bucket/submissions/`.
 */
function ownInstead({ url, isFolder }: UrlUse, { ownUrls = [] }: Boundaries): string | undefined {
  // Outputs are joined to the URL without the slashes at its end (joinUrl), inputs with them.
  const uses = isFolder ? [url.endsWith('/') ? url : `${url}/`, url.replace(/\/*$/, '/')] : [url];
  const isOwn = uses.some((used) =>
    ownUrls.some((own) => used.startsWith(own) || (used.endsWith('/') && own.startsWith(used))),
  );
  return isOwn ? `a URL outside Batchwell’s own ${OWN_FOLDERS.join(', ')}` : undefined;
}

function pathInstead(path: string, { fileRoots = [] }: Boundaries): string | undefined {
  if (!path.startsWith('/')) return undefined;
  if (fileRoots.length === 0)
    return (
      'a URL that tasks can reach; paths and file:// URLs are not enabled ' +
      '(BATCHWELL_PATH_MAP, BATCHWELL_SHARED_FOLDERS)'
    );
  return isPlain(path) && fileRoots.some((root) => isBelow(path, root))
    ? undefined
    : `a path below ${fileRoots.join(' or ')}`;
}

function limitedInstead(url: string, { limits: { urls } = {} }: Boundaries): string | undefined {
  if (!urls || (isPlain(url) && urls.some((allowed) => isBelow(url, allowed)))) return undefined;
  return `a URL that this token allows: below ${urls.join(' or ') || 'no prefix at all'}`;
}

/**
 * Servers and file systems read `/a/../b`, also percent-encoded, as `/b`. S3 does not, but such a
 * key is never intended.
 */
const isPlain = (url: string): boolean =>
  !url.split(/[/\\]|%2f|%5c/i).some((part) => /^(?:\.|%2e){2}$/i.test(part));
