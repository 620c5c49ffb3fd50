/** The stager: the command of every Batchwell container. See docs/task-script.md. */
import { logToStdout } from './log.ts';
import { runTask } from './run.ts';

const terminated = new Promise<void>((resolve) => {
  // As a container's first process Node has no default for these: without a handler they would be ignored.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve());
});

process.exit(await runTask(process.env, logToStdout, terminated));
