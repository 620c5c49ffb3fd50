/** What the fleet and the stager agree on about a task's container. */

/**
 * Mounted read-only from the host; holds the stager with its own Node, loader and shell, so that
 * the image need hold nothing.
 */
export const HOST_FOLDER = '/opt/batchwell';

/**
 * The command of every job definition. It names the loader itself: an image without glibc (Alpine,
 * distroless, scratch) has no loader that could start Node, and --library-path, unlike
 * LD_LIBRARY_PATH, does not leak into the task.
 */
export const STAGER_COMMAND: readonly string[] = [
  `${HOST_FOLDER}/lib/ld.so`,
  '--library-path',
  `${HOST_FOLDER}/lib`,
  `${HOST_FOLDER}/bin/node`,
  `${HOST_FOLDER}/stager.mjs`,
];

/** Where the stager keeps the script and the logs; a fresh folder under /tmp when unset. */
export const SCRATCH_VARIABLE = 'BATCHWELL_SCRATCH';

/**
 * Longest pause between two looks at what the task printed, ms; nothing is shipped while it runs
 * when 0 or unset.
 */
export const LIVE_LOGS_VARIABLE = 'BATCHWELL_LIVE_LOGS_MS';

/**
 * Exit codes of the container that are the stager's own; any other is the exit code of the executor
 * that decided.
 */
export const stagerExit = {
  /** An input could not be read. */
  input: 120,
  /** An output could not be written. */
  output: 121,
  /** Another job owns this submission: a late twin, which has changed nothing. */
  fenced: 122,
  /**
   * The manifest or the script could not be read, or the script could not be run as it is written.
   */
  script: 123,
  /** SIGTERM: spot loss, cancel, timeout. No result record was written. */
  terminated: 143,
} as const;
