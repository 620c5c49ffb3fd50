/** What identities are resolved from, and what is known of an input once they are. */
import type { FileIdentity } from '../core/cache/identity.ts';
import type { ReadInput } from '../core/cache/read-digest.ts';
import type { EtagTrust } from './etag-trust.ts';
import type { ObjectStore } from './s3.ts';

/** Why an input has no identity. */
export type WhyNoIdentity =
  /** Nothing is there. */
  | 'missing'
  /** It may not be read. */
  | 'denied'
  /** S3 keeps neither an ETag nor a checksum of the whole object that tells its bytes. */
  | 'no-identity'
  /** It is not in S3: http, or a folder that hosts share. */
  | 'not-in-s3'
  /** The task reads or writes it without declaring it. */
  | 'undeclared';

export interface InputSeen {
  /** The strongest that is known; absent: see `why`. */
  identity?: FileIdentity;
  /** What a listing alone says; the strong one where a listing says nothing. Absent with `identity`. */
  listed?: FileIdentity;
  why?: WhyNoIdentity;
  /** The objects it consists of, as they were listed. */
  read: ReadInput;
  /** CRC64NVME of a file or sum of a directory (core/cache/read-digest.ts), hex, where it is known. */
  sum?: string;
  /** For people who read explanations; decides nothing. */
  sizeBytes: number;
  /** When the object, or the newest of a directory, was last modified, epoch ms; 0 for content. Decides nothing. */
  modifiedMs: number;
}

export interface KnownObject {
  /** Of a directory the prefix, with its slash. */
  url: string;
  /** Of a directory the digest of its listing. */
  etag: string;
  sizeBytes: number;
}

/** What objects hold that were read or written before: object as a listing shows it -> its sum, hex. */
export interface IdentityMemo {
  /** In the order given. */
  recall(objects: readonly KnownObject[]): Promise<(string | undefined)[]>;
  learn(objects: readonly (KnownObject & { sum: string })[]): Promise<void>;
}

export interface IdentitySources {
  objects: ObjectStore;
  memo: IdentityMemo;
  etags: EtagTrust;
  /** Asks S3 for the SHA-256 of each file that is an input: what owners share needs it. */
  prefersSha256?: boolean;
}

export const nothing = (why: WhyNoIdentity): InputSeen => ({
  why,
  read: null,
  sizeBytes: 0,
  modifiedMs: 0,
});
