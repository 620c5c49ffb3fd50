/**
 * core/container holds what runs in a task's container. This file: what the fleet and the stager
 * agree on.
 */

/**
 * Mounted read-only from the host. It has the stager with its own Node, loader and shell, so the
 * image needs none.
 */
export const HOST_FOLDER = '/opt/batchwell';

/**
 * The command of every job definition. It names the loader, because an image without glibc (Alpine,
 * distroless, scratch) has none that can start Node. Unlike LD_LIBRARY_PATH, --library-path does
 * not leak into the task.
 */
export const STAGER_COMMAND: readonly string[] = [
  `${HOST_FOLDER}/lib/ld.so`,
  '--library-path',
  `${HOST_FOLDER}/lib`,
  `${HOST_FOLDER}/bin/node`,
  `${HOST_FOLDER}/stager.mjs`,
];

/** Folder in which the stager makes a new folder for the script and the logs; /tmp when unset. */
export const SCRATCH_VARIABLE = 'BATCHWELL_SCRATCH';

/**
 * Longest pause between two looks at what the task printed, in ms; 0 or unset turns live logs off.
 */
export const LIVE_LOGS_VARIABLE = 'BATCHWELL_LIVE_LOGS_MS';

/** How long an input waits for room on the disk, in ms; with 0 it fails at once. */
export const DISK_WAIT_VARIABLE = 'BATCHWELL_DISK_WAIT_MS';

/** The folders of the hosts that are mounted into the container, a list in JSON. */
export const SHARED_VARIABLE = 'BATCHWELL_MOUNTED';

/** Exit codes of the stager itself; any other is the exit code of the executor that decided. */
export const stagerExit = {
  /** An input could not be read. */
  input: 120,
  /** An output could not be written. */
  output: 121,
  /** Another job owns this submission. This one is a late twin and has changed nothing. */
  fenced: 122,
  /** The manifest or the script could not be read, or the script could not be run. */
  script: 123,
  /** What it was to run is not what the fleet wrote. */
  forged: 123,
  /** SIGTERM: spot loss, cancel, timeout. No result record was written. */
  terminated: 143,
} as const;
