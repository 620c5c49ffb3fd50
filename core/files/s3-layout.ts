/**
 * The layout of the work bucket. Every key holds the id of the installation that asked for it, so
 * that a fleet never takes another's object for its own, and a digest of the task's owner, so that
 * IAM can limit a job role to the objects of one owner.
 */
import { sha256 } from '../ids.ts';

/** Array index in keys: five digits, so that S3's order is the array's order. */
export const indexInKey = (index: number): string => String(index).padStart(5, '0');

/** Folders that a task's own URLs may not name. */
export const OWN_FOLDERS = ['scripts/', 'submissions/', 'installations/', 'etag-probe/'] as const;

/** Whose objects: of one installation, and there of one owner. */
export interface OwnerPlace {
  /** Id of the installation. */
  installation: string;
  /** Owner of the tasks, as the API knows it. */
  owner: string;
}

/** 16 hex digits: `printf %s OWNER | sha256sum | cut -c1-16`. */
export const ownerDigest = (owner: string): string => sha256(owner).toString('hex').slice(0, 16);

const folderOf = (kind: string, { installation, owner }: OwnerPlace): string =>
  `${kind}/${installation}/${ownerDigest(owner)}/`;

/** @param digest SHA-256 of the script, hex */
export const scriptKey = (place: OwnerPlace, digest: string): string =>
  `${folderOf('scripts', place)}${digest}.sh`;

/** Says which database acts for an installation. */
export const leaseKey = (installation: string): string => `installations/${installation}`;

/** Two small objects by which a starting worker asks whether ETags tell contents apart. */
export const ETAG_PROBE = 'etag-probe/';

export interface SubmissionPlace extends OwnerPlace {
  /** Drawn when its attempts were packed: 32 hex digits. */
  submissionKey: string;
}

/** Everything of one submission is under this prefix, which the container gets. */
export const submissionPrefix = (place: SubmissionPlace): string =>
  `${folderOf('submissions', place)}${place.submissionKey}/`;

const IN_SUBMISSIONS = /submissions\/([0-9a-f]+\/[0-9a-f]{16}\/)[^/]+\/$/;

/**
 * Key of a script, beside the submission that runs it.
 * @param prefix key of the submission's prefix, below any prefix of the bucket
 * @throws RangeError when the prefix is not a submission's
 */
export function scriptBeside(prefix: string, digest: string): string {
  if (!IN_SUBMISSIONS.test(prefix))
    throw new RangeError(`${JSON.stringify(prefix)} is not the prefix of a submission.`);
  return prefix.replace(IN_SUBMISSIONS, (_, place: string) => `scripts/${place}${digest}.sh`);
}

export const inSubmission = {
  manifest: 'manifest',
  /** Id of the only job that may act, with a proof. The first job writes it with If-None-Match. */
  owner: 'owner',
  results: 'results/',
  log: (index: number, attempt: number, name: string): string =>
    `logs/${indexInKey(index)}/${attempt}/${name}`,
  /**
   * The newest part of a log whose attempt still runs. Batch's own attempt is in its metadata and
   * not in its key, because the fleet must find the object before it knows that attempt.
   */
  live: (index: number, name: string): string => `live/${indexInKey(index)}/${name}`,
} as const;

/** The container gets s3://bucket/prefix of its submission, which holds everything it needs. */
export const SUBMISSION_VARIABLE = 'BATCHWELL_SUBMISSION';
