/**
 * This folder holds what can be said of container images without a registry. This file reads their
 * names as Docker does (source: github.com/distribution/reference).
 */

export interface ImageName {
  /** As written, without tag and digest: what a job definition names. */
  written: string;
  /** Host of the registry, with its port if it has one; `docker.io` where none is written. */
  registry: string;
  /** `library/ubuntu` */
  repository: string;
  /** `latest` where neither a tag nor a digest is written. */
  tag?: string;
  /** `sha256:…` or `sha512:…`. It decides, whatever tag is written beside it. */
  digest?: string;
}

const DEFAULT_REGISTRY = 'docker.io';
const LONGEST_NAME = 255;

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[A-Fa-f0-9:]+\])(?::[0-9]{1,5})?$/;
const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
/** Docker reads it as the id of an image on the host. */
const HOST_IMAGE_ID = /^[0-9a-f]{64}$/;

/** Undefined if Docker does not accept the name. */
export function parseImageName(text: string): ImageName | undefined {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  // The last colon begins the tag, unless a slash follows: then it is the port of the registry.
  const withTag = at < 0 ? text : text.slice(0, at);
  const [, written = '', tag] = /^(.*?)(?::([^/:]*))?$/s.exec(withTag) ?? [];
  const { registry, repository } = splitRegistry(written);
  const isName =
    fits(DIGEST, digest) && fits(TAG, tag) && isRepository(registry, repository, written);
  if (!isName) return undefined;
  const named = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    written,
    registry,
    repository,
    ...(named !== undefined && { tag: named }),
    ...(digest !== undefined && { digest }),
  };
}

const fits = (pattern: RegExp, part: string | undefined): boolean =>
  part === undefined || pattern.test(part);

const isRepository = (registry: string, repository: string, written: string): boolean =>
  HOST.test(registry) &&
  repository.split('/').every((part) => PATH_PART.test(part)) &&
  `${registry}/${repository}`.length <= LONGEST_NAME &&
  !HOST_IMAGE_ID.test(written);

/** What is before the first slash is a registry if it has a dot, a port or a capital, or is `localhost`. */
function splitRegistry(written: string): { registry: string; repository: string } {
  const [first = '', ...rest] = written.split('/');
  const isRegistry = rest.length > 0 && (/[.:A-Z]/.test(first) || first === 'localhost');
  const given = isRegistry ? first : DEFAULT_REGISTRY;
  const repository = isRegistry ? rest.join('/') : written;
  const registry = given === 'index.docker.io' ? DEFAULT_REGISTRY : given;
  const isOfficial = registry === DEFAULT_REGISTRY && !repository.includes('/');
  return { registry, repository: isOfficial ? `library/${repository}` : repository };
}

/** `docker.io/library/ubuntu:latest`: equal for names of one image. */
export const canonicalImage = ({ registry, repository, tag, digest }: ImageName): string =>
  `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;

/**
 * What identifies an image without asking its registry: its digest, whatever its registry and tag,
 * or else its name. A name that Docker does not accept counts as it is.
 */
export function nameIdentity(image: string): string {
  const name = parseImageName(image);
  return name === undefined ? image : (name.digest ?? canonicalImage(name));
}

/** The image to run: by its digest where its tag was resolved. @param sha256 hex */
export function imageToRun(image: string, sha256: string | undefined): string {
  const name = sha256 === undefined ? undefined : parseImageName(image);
  return name === undefined ? image : `${name.written}@sha256:${sha256}`;
}
