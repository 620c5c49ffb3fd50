/** Manifests of images and indexes over them (sources: OCI image spec 1.1, Docker manifest v2 schema 2). */
import type { Architecture } from './architecture.ts';
import { isObject } from '../is-object.ts';

const INDEX_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const IMAGE_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/** Of a request for a manifest. */
export const ACCEPTED_MANIFESTS = [...INDEX_TYPES, ...IMAGE_TYPES].join(', ');

export type ManifestKind = 'index' | 'image';

/** By media type; undefined for one that is neither, such as Docker's schema 1. */
export function kindOfType(mediaType: string): ManifestKind | undefined {
  const type = mediaType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (INDEX_TYPES.includes(type)) return 'index';
  return IMAGE_TYPES.includes(type) ? 'image' : undefined;
}

interface Platform {
  os?: unknown;
  architecture?: unknown;
  variant?: unknown;
}

interface IndexEntry {
  digest: string;
  mediaType: string;
  platform: Platform;
}

/** In the registries' words. Variants that every host of the architecture runs: none, or the first. */
const WANTED: Record<Architecture, { architecture: string; variants: readonly unknown[] }> = {
  'x86-64': { architecture: 'amd64', variants: [undefined, '', 'v1'] },
  arm64: { architecture: 'arm64', variants: [undefined, '', 'v8'] },
};

export type Chosen =
  | { digest: string }
  /** Platforms that it has: `linux/amd64`. */
  | { platforms: string[] };

/** The first manifest for Linux on the architecture, as Docker chooses it; undefined if it is not an index. */
export function chooseManifest(index: unknown, architecture: Architecture): Chosen | undefined {
  const entries = entriesOf(index);
  if (entries === undefined) return undefined;
  const images = entries.filter(({ mediaType }) => kindOfType(mediaType) === 'image');
  const wanted = WANTED[architecture];
  const found = images.find(
    ({ platform }) =>
      platform.os === 'linux' &&
      platform.architecture === wanted.architecture &&
      wanted.variants.includes(platform.variant),
  );
  if (found) return { digest: found.digest };
  const named = images.map(({ platform: { os, architecture: cpu, variant } }) =>
    [os, cpu, variant].filter((part) => typeof part === 'string' && part !== '').join('/'),
  );
  // Attestations are listed as the platform unknown/unknown.
  return { platforms: [...new Set(named.filter((name) => !name.startsWith('unknown')))] };
}

function entriesOf(index: unknown): IndexEntry[] | undefined {
  if (!isObject(index) || !Array.isArray(index['manifests'])) return undefined;
  return index['manifests'].flatMap((one: unknown): IndexEntry[] => {
    if (!isObject(one)) return [];
    const { digest, mediaType, platform } = one;
    return typeof digest === 'string' && typeof mediaType === 'string' && isObject(platform)
      ? [{ digest, mediaType, platform }]
      : [];
  });
}

/** The hex of a `sha256:…` digest; undefined for any other. */
export const sha256In = (digest: string): string | undefined =>
  /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
