/**
 * Which entries owners of one cache domain share. CRC64NVME and MD5 tell files apart that differ by chance, but whoever
 * wants to can make two files that collide. A SHA-256 resists that.
 */
import { sha256 } from '../ids.ts';
import type { Components } from './fingerprint.ts';

/** `sha256`: only of calls whose every input is known by its SHA-256. */
export const sharingModes = ['any', 'sha256'] as const;
export type Sharing = (typeof sharingModes)[number];

export interface SharedBy {
  /** The cache domain of the task's token. */
  cacheDomain: string;
  owner: string;
}

/** The domain in which a call is looked up and kept: a private one of the owner where it must not be shared. */
export function sharingDomain(
  { cacheDomain: domain, owner }: SharedBy,
  components: Components,
  sharing: Sharing,
): string {
  if (sharing === 'any' || domain === owner || isKnownBySha256(components)) return domain;
  // As long as the column; no administrator gives such a name.
  return `~${sha256(JSON.stringify([domain, owner]))
    .toString('hex')
    .slice(0, 60)}`;
}

const isKnownBySha256 = (components: Components): boolean =>
  Object.entries(components).every(
    ([name, value]) => !name.startsWith('inputs[') || value.startsWith('FILE sha256 '),
  );
