/**
 * The stager is the command of every Batchwell container: it moves files between S3 and disk and
 * runs the task's script. This file starts it. See docs/task-script.md.
 */
import { logToStdout } from './log.ts';
import { runTask } from './run.ts';

const terminated = new Promise<void>((resolve) => {
  // As the first process of a container, Node ignores these signals unless there is a handler.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve());
});

// The task's own environment, before the stager adds anything.
const given = { ...process.env };
// The SDK looks for its files in the home folder, which an image without /etc/passwd does not
// define.
process.env['HOME'] ??= '/';

process.exit(await runTask(given, logToStdout, terminated));
