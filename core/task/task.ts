/**
 * What a task does in its container, in the terms of GA4GH TES 1.1 (field names are those of TES,
 * so that a task is stored, shown and run in one form). Source: the TES 1.1 OpenAPI, `tesTask`.
 *
 * `S` is the type of texts: a string in a task, a string or a slot in a template.
 */

import type { ContainerOptions } from '../container/options.ts';
import type { ProfileName } from '../profiles/profile-names.ts';

export type FileType = 'FILE' | 'DIRECTORY';

export interface InputOf<S> {
  name?: S;
  description?: S;
  /** s3://bucket/key, http(s)://…; absent when `content` is given. */
  url?: S;
  /** Absolute path in the container. */
  path: S;
  type: FileType;
  /** The file's content itself; takes precedence over `url`. */
  content?: S;
}

export interface OutputOf<S> {
  name?: S;
  description?: S;
  /** Destination: an object, or a "directory" for DIRECTORY and for wildcards. */
  url: S;
  /**
   * Absolute path in the container: the name of a file, and with `path_prefix` a pattern (core/files/path-pattern.ts).
   */
  path: S;
  path_prefix?: S;
  type: FileType;
}

export interface ExecutorOf<S> {
  image: string;
  command: S[];
  workdir?: S;
  stdin?: S;
  stdout?: S;
  stderr?: S;
  /** Names are POSIX identifiers; values are any text without NUL. */
  env?: Record<string, S>;
  ignore_error?: boolean;
}

export interface Resources {
  /** Whole vCPUs, at least 1. */
  cpu_cores: number;
  /** GiB. */
  ram_gb: number;
  /** GiB. */
  disk_gb: number;
  preemptible: boolean;
  /** Batch job queue, by name or ARN; the configured default when absent. */
  queue?: string;
  /** Time limit of one attempt in seconds, at least 60; no limit when absent. */
  timeout_seconds?: number;
  /** 0..9999. In queues with a fair-share policy, higher runs first among jobs of one share. */
  priority?: number;
  /** Share identifier for queues with a fair-share policy; the configured one when absent. */
  share?: string;
  /** ARN of the container's IAM role; the configured one when absent. */
  job_role?: string;
  /** The caller's resources.backend_parameters that Batchwell knows. */
  backend_parameters?: Record<string, string>;
  zones?: string[];
  /** It stays in its queue whatever becomes of its hosts: its token allows no other. */
  stays?: true;
  /** What its container asks for besides its size. */
  container?: ContainerOptions;
  /** Tags of its Batch jobs. */
  job_tags?: Record<string, string>;
}

export interface TaskOf<S> {
  inputs: InputOf<S>[];
  outputs: OutputOf<S>[];
  executors: ExecutorOf<S>[];
  resources: Resources;
  /** Container paths shared by the executors. */
  volumes: S[];
}

/** A task with all its texts. */
export type TaskSpec = TaskOf<string>;

/**
 * How a task uses the call cache. `refresh` runs the task and writes a new entry; `off` neither
 * reads nor writes.
 */
export const cacheModes = ['off', 'read', 'write', 'readwrite', 'refresh'] as const;
export type CacheMode = (typeof cacheModes)[number];

export const readsCache = (mode: CacheMode): boolean => mode === 'read' || mode === 'readwrite';
export const writesCache = (mode: CacheMode): boolean =>
  mode === 'write' || mode === 'readwrite' || mode === 'refresh';

/**
 * Whether a task waits for an equal one that is in flight, to take its outputs. With `off` it runs,
 * unless the cache already holds its outputs.
 */
export const mergeModes = ['on', 'off'] as const;
export type MergeMode = (typeof mergeModes)[number];

/** An accepted task: what it does, and what is only for people and filters. */
export interface NewTask {
  name: string;
  description: string;
  tags: Record<string, string>;
  cache: CacheMode;
  /** `on` when absent. */
  merge?: MergeMode;
  /** Which client sent it; see core/profiles. */
  profile: ProfileName;
  spec: TaskSpec;
  /** Warnings for the caller, shown in system_logs. */
  warnings?: readonly string[];
}
