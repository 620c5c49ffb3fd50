/**
 * The result record: what a container reports of its attempt, once, as its last act. It travels in
 * the *key* of a small object under the submission's `results/`, so that one listing of 1,000 keys
 * reads 1,000 results. Only a record too long for a key (S3's limit is 1,024 bytes) has to be
 * fetched. The object's body always holds all of it.
 */

export interface ExecutorResult {
  exitCode: number;
  startedMs: number;
  endedMs: number;
}

export interface UploadedFile {
  /** Position in the task's outputs, from 0. */
  output: number;
  /**
   * What follows the output's URL: '' for a FILE, else the relative path within a DIRECTORY or a
   * match.
   */
  path: string;
  sizeBytes: number;
  /** CRC64NVME of the whole object, base64 as S3 writes it. */
  crc64nvme: string;
}

/** Where the attempt went wrong, when it was not an executor's exit code. */
export interface StagerError {
  kind: 'input' | 'output' | 'script';
  /** Which one: the URL of the input, output or script. */
  subject: string;
  message: string;
  /** A retry may help: S3 did not answer, or answered 5xx. */
  transient?: true;
}

export interface ResultRecord {
  startedMs: number;
  endedMs: number;
  /** One per executor that was started. */
  executors: ExecutorResult[];
  outputs: UploadedFile[];
  /** Positions of declared outputs that did not exist. */
  missingOutputs: number[];
  /**
   * When the newest of the objects it read as inputs was last modified; absent when it read none.
   */
  inputsModifiedMs?: number;
  error?: StagerError;
}

export interface SeenResult {
  index: number;
  /** Batch's attempt, from 1. */
  attempt: number;
  /** Absent when it did not fit in the key: read the object's body. */
  record?: ResultRecord;
}
