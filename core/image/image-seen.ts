/** What is known of an image before its task runs. */

/** Why the digest of an image is not known. */
type ImageProblemCode =
  /** Docker does not accept the name. */
  | 'bad-name'
  /** A setting limits which registries are asked. */
  | 'not-allowed'
  | 'no-answer'
  /** It asked for fewer requests (429, or 503 with Retry-After). */
  | 'busy'
  /** The credentials are missing or not sufficient. */
  | 'denied'
  | 'not-found'
  /** The image has no variant for the architecture. */
  | 'no-platform'
  /** The answer cannot be used. */
  | 'not-understood';

export interface ImageProblem {
  code: ImageProblemCode;
  /** What failed and why, for a person. */
  sentence: string;
}

export type ImageSeen =
  | {
      /** What the fingerprint names: a digest. */
      identity: string;
      /** SHA-256 in hex of the manifest that the tag named; absent where the task names a digest itself. */
      resolved?: string;
    }
  | { problem: ImageProblem };

/** Why a task is not cached. */
export const notCachedSentence = (image: string, { sentence }: ImageProblem): string =>
  `The call cache was not used, because the digest of image ${image} is not known. ${sentence}`;
