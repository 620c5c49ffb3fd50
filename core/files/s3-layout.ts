/**
 * The layout of the work bucket. Every key is a function of its content, so a repeated write
 * changes nothing.
 */

/** Array index in keys: five digits, so that S3's order is the array's order. */
export const indexInKey = (index: number): string => String(index).padStart(5, '0');

/** Folders that a task's own URLs may not name. */
export const OWN_FOLDERS = ['scripts/', 'submissions/', 'etag-probe/'] as const;

export const scriptKey = (sha256: string): string => `scripts/${sha256}.sh`;

/** Two small objects by which a starting worker asks whether ETags tell contents apart. */
export const ETAG_PROBE = 'etag-probe/';

/** Everything of one submission is under this prefix, which the container gets. */
export const submissionPrefix = (key: string): string => `submissions/${key}/`;

export const inSubmission = {
  manifest: 'manifest',
  /** Id of the only job that may act. The first job writes it, once, with If-None-Match. */
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
