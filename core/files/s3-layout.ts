/** Where things lie in the work bucket. Every name is a function of what it holds, so a second write is the same write. */

/** Array index as it stands in keys: five digits, so that S3's order is the array's order. */
export const indexInKey = (index: number): string => String(index).padStart(5, '0');

/** What tasks may neither read nor write by their own urls. */
export const OWN_FOLDERS = ['scripts/', 'submissions/'] as const;

export const scriptKey = (sha256: string): string => `scripts/${sha256}.sh`;

/** Everything of one submission lies under this prefix; it is what the container is told. */
export const submissionPrefix = (key: string): string => `submissions/${key}/`;

export const inSubmission = {
  manifest: 'manifest',
  /** Holds the job id that may act; written once, by If-None-Match, whoever comes first. */
  owner: 'owner',
  results: 'results/',
  log: (index: number, attempt: number, name: string): string =>
    `logs/${indexInKey(index)}/${attempt}/${name}`,
  /** The newest part of a log whose attempt still runs. Batch's attempt is in its metadata: the fleet does not know it yet, and has to find the object. */
  live: (index: number, name: string): string => `live/${indexInKey(index)}/${name}`,
} as const;

/** The container is given s3://bucket/prefix of its submission: all that it does lies there. */
export const SUBMISSION_VARIABLE = 'BATCHWELL_SUBMISSION';
