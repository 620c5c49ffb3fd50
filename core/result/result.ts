/**
 * The result record: what a container reports about its attempt, once, as its last act. It travels in the *key* of a
 * small object under the submission's `results/`, so that one listing of 1,000 keys reads 1,000 results. Only a
 * record that is too long for a key (S3's limit is 1,024 bytes) has to be fetched. The object's body always holds the
 * whole record.
 */

/** What an executor and its children used. Absent where the host does not measure it. */
export interface Usage {
  /** Largest resident memory that was seen, bytes; 0 for one that ended before anybody looked. */
  peakMemoryBytes: number;
  /** User and system time, ms. */
  cpuMs: number;
  /** What they read and wrote by system calls, also of pipes and of files in memory. */
  readBytes?: number;
  writtenBytes?: number;
}

export interface ExecutorResult {
  /** 0 to 255. */
  exitCode: number;
  startedMs: number;
  endedMs: number;
  usage?: Usage;
}

export interface UploadedFile {
  /** Position in the task's outputs, from 0. */
  output: number;
  /**
   * What follows the output's URL: '' for a FILE, the relative path within a DIRECTORY or a wildcard's match. An empty
   * folder ends in '/'; '/' alone is the folder of the output itself.
   */
  path: string;
  sizeBytes: number;
  /** CRC64NVME of the whole object, base64 as S3 writes it. */
  crc64nvme: string;
  /** The ETag that S3 answered to the upload, without quotes; '' when it gave none. */
  etag: string;
  /** Where the bucket keeps versions. In the object's body only: it would not fit into a key. */
  versionId?: string;
}

/** What the stager read as inputs. */
export interface InputsRead {
  /** See `readDigest` in core/cache/read-digest.ts: hex, 16 bytes. */
  digest: string;
  /** See `sumsDigest` there; absent when the sum of one of them is not known. */
  sumsDigest?: string;
  /**
   * Per declared input, what its bytes are: the CRC64NVME of a file (8 bytes) or the digest of a directory's members
   * and their CRC64NVMEs (16 bytes), hex; null where the stager did not learn it. Absent when it does not fit into
   * the key: then the cache keeps the identities that it knew before.
   */
  sums?: (string | null)[];
}

/** `forged`: what the container was to run is not what the fleet wrote. */
export const stagerErrorKinds = ['input', 'output', 'script', 'forged'] as const;

/** Where the attempt went wrong, when it was not an executor's exit code. */
export interface StagerError {
  kind: (typeof stagerErrorKinds)[number];
  /** Which one: the input's or output's URL, or the script's. */
  subject: string;
  message: string;
  /** Another attempt may succeed: S3 did not answer, or answered 5xx. */
  transient?: true;
  /** What the task declares cannot be done: no store, host or permission is at fault. */
  declared?: true;
}

export interface ResultRecord {
  startedMs: number;
  endedMs: number;
  /** One per executor that was started. */
  executors: ExecutorResult[];
  outputs: UploadedFile[];
  /** Positions of declared outputs that did not exist. */
  missingOutputs: number[];
  /** Absent when the inputs were not all read. */
  inputs?: InputsRead;
  /** What was left out, replaced, or skipped. */
  warnings?: string[];
  /** Sentences that name what was in an output and was not written: see core/result/left-out.ts. */
  leftOut?: string[];
  error?: StagerError;
}

/** The whole record, where a row holds only the beginning of its lists. */
export interface WholeRecord {
  /** In the work bucket, relative to its prefix. */
  key: string;
  bytes: number;
  /** Of the object's body, hex: another body is not this record. */
  sha256: string;
  /** How many the whole record has. */
  outputs: number;
  missingOutputs: number;
  warnings: number;
}

export interface StoredRecord extends ResultRecord {
  /** Absent when the row holds the whole record. */
  whole?: WholeRecord;
}

export interface SeenResult {
  index: number;
  /** Batch's attempt, from 1. */
  attempt: number;
  /** When it ended, by the clock of its host. */
  endedMs: number;
  /**
   * Absent when it did not fit into the key: read the object's body. Where that was read, its
   * content carries no proof.
   */
  record?: StoredRecord;
  /** It has one that only a newer version of Batchwell can read. */
  isNewer?: true;
}
