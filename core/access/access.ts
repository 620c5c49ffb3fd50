/** What a caller may do, and what its tasks may name. */
import { memberPath, problemAt, type Problem } from '../problems.ts';
import { mapPath, type PathMap } from '../files/path-map.ts';
import type { ProfileName } from '../profiles/profile-names.ts';
import type { TaskSpec } from '../task/task.ts';

/** `admin` may see the queue board and make tokens; it is no way to other owners' tasks. */
export const scopes = ['submit', 'read', 'cancel', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What tasks may name. What is absent is not limited. */
export interface Limits {
  /** Of inputs and outputs: `s3://bucket`, `s3://bucket/prefix`, `https://host/path`, `/mount`. What lies below is allowed, too. */
  urls?: readonly string[];
  /** Job queues by name or ARN; the first is the one of tasks that name none. */
  queues?: readonly string[];
  /** ARNs of IAM roles that a task may ask for in place of the fleet's own. */
  jobRoles?: readonly string[];
}

export interface Access {
  owner: string;
  scopes: readonly Scope[];
  /** Callers of one domain share their call cache. */
  cacheDomain: string;
  limits: Limits;
  /** Which client's habits its tasks follow; seen from each task's shape when absent. */
  profile?: ProfileName;
}

/** A sentence for the caller; undefined when it is allowed. */
export const whyNotAllowed = ({ scopes }: Access, scope: Scope): string | undefined =>
  scopes.includes(scope)
    ? undefined
    : `This token may not ${scope}; it may ${scopes.join(', ') || 'do nothing'}.`;

/** Everything that is the owner's, and the rights of an operator. */
export const fullAccess = (owner: string): Access => ({
  owner,
  scopes,
  cacheDomain: owner,
  limits: {},
});

const isBelow = (url: string, allowed: string): boolean =>
  url === allowed || url.startsWith(allowed.endsWith('/') ? allowed : `${allowed}/`);

/** A queue's or role's name: ARNs end in it. */
const nameOf = (arn: string): string => arn.slice(arn.lastIndexOf('/') + 1);

const isAmong = (given: string, allowed: readonly string[]): boolean =>
  allowed.some(
    (one) =>
      one === given ||
      ((!one.startsWith('arn:') || !given.startsWith('arn:')) && nameOf(one) === nameOf(given)),
  );

export interface Boundaries {
  limits?: Limits | undefined;
  /** Folders of hosts that tasks may name by path or file:// url. */
  fileRoots?: readonly string[] | undefined;
  /** Url prefixes that are Batchwell's own: scripts, manifests, logs and results of every task. */
  ownUrls?: readonly string[] | undefined;
  /** Where paths of a client's file system lie in S3. */
  pathMap?: PathMap | undefined;
}

/** Names every url, queue and role that a task names and may not. */
export function refuseForbidden(
  { inputs, outputs, resources }: Pick<TaskSpec, 'inputs' | 'outputs' | 'resources'>,
  boundaries: Boundaries,
  problems: Problem[],
): void {
  for (const [list, files] of Object.entries({ inputs, outputs })) {
    files.forEach(({ url }, index) => {
      const expected =
        url === undefined
          ? undefined
          : expectedInstead(mapPath(url, boundaries.pathMap ?? new Map()), boundaries);
      if (expected !== undefined) problems.push(problemAt(`${list}[${index}].url`, expected, url));
    });
  }
  refuseResources(resources, boundaries.limits ?? {}, problems);
}

function refuseResources(
  { queue, job_role: role }: TaskSpec['resources'],
  { queues, jobRoles = [] }: Limits,
  problems: Problem[],
): void {
  const refuse = (name: string, expected: string, got: string): number =>
    problems.push(problemAt(memberPath('resources.backend_parameters', name), expected, got));
  if (queue !== undefined && queues && !isAmong(queue, queues))
    refuse('queue', `a job queue that this token may use: ${queues.join(', ') || 'none'}`, queue);
  if (role !== undefined && !jobRoles.includes(role))
    refuse(
      'job_role',
      `a job role that this token may ask for: ${jobRoles.join(', ') || 'none'}`,
      role,
    );
}

/** What a url should have been, once paths are mapped; undefined when it may be used. */
function expectedInstead(url: string, boundaries: Boundaries): string | undefined {
  const path = url.startsWith('file://') ? url.slice('file://'.length) : url;
  return (
    ownInstead(url, boundaries) ?? pathInstead(path, boundaries) ?? limitedInstead(path, boundaries)
  );
}

/** Whoever could write there would write other tasks' results, and whoever could read there, their values. */
const ownInstead = (url: string, { ownUrls = [] }: Boundaries): string | undefined =>
  ownUrls.some((own) => url.startsWith(own) || (own.startsWith(url) && url.endsWith('/')))
    ? 'a url outside of Batchwell’s own scripts/ and submissions/'
    : undefined;

function pathInstead(path: string, { fileRoots = [] }: Boundaries): string | undefined {
  if (!path.startsWith('/')) return undefined;
  if (fileRoots.length === 0)
    return 'a url that tasks can reach; paths and file:// urls are not set up here (BATCHWELL_PATH_MAP, BATCHWELL_SHARED_FOLDERS)';
  return isPlain(path) && fileRoots.some((root) => isBelow(path, root))
    ? undefined
    : `a path below ${fileRoots.join(' or ')}`;
}

function limitedInstead(url: string, { limits: { urls } = {} }: Boundaries): string | undefined {
  if (!urls || (isPlain(url) && urls.some((allowed) => isBelow(url, allowed)))) return undefined;
  return `a url that this token may use, below ${urls.join(' or ') || 'nothing'}`;
}

/** Servers and file systems take `/a/../b` for `/b`, also in percent signs; S3 takes it as it is, but nobody means it. */
const isPlain = (url: string): boolean =>
  !url.split(/[/\\]|%2f|%5c/i).some((part) => /^(?:\.|%2e){2}$/i.test(part));
