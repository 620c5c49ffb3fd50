/** The stager: the command of every Batchwell container. See docs/task-script.md. */
import { logToStdout } from './log.ts';
import { runTask } from './run.ts';

const terminated = new Promise<void>((resolve) => {
  // As a container's first process Node has no default for these: without a handler they would be
  // ignored.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve());
});

// The task's own environment, before anything of ours is added.
const given = { ...process.env };
// The SDK looks for its files in the home folder, and a root without /etc/passwd has none to tell.
process.env['HOME'] ??= '/';

process.exit(await runTask(given, logToStdout, terminated));
