/** Logins to registries, each for the images of one registry or repository. */
import { parseImageName } from './image-name.ts';

interface Login {
  /** The registry or repository that its images are below: `ghcr.io/lab`. */
  below: string;
  /** ARN of the login, or a pattern of ARNs. */
  arn: string;
}

/** Those of the entries, `registry=ARN` or `registry/repository=ARN` each, that are for an image. */
export function loginsFor(image: string, entries: readonly string[]): Login[] {
  const name = parseImageName(image);
  const place = name ? `${name.registry}/${name.repository}` : image;
  return entries
    .map(readLogin)
    .filter(({ below }) => place === below || place.startsWith(`${below}/`));
}

/** Of no registry where the entry names none. */
export function readLogin(entry: string): Login {
  const at = Math.max(0, entry.indexOf('='));
  return { below: entry.slice(0, at), arn: entry.slice(at + 1) };
}
