/**
 * Batchwell in an AWS account:
 *
 *   npm run aws:deploy -- --profile NAME …
 *   npm run aws:teardown -- --profile NAME …
 */
import { runCommand } from './command.ts';

const interrupt = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // A second Ctrl-C does not wait for the request at work.
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
  });

process.exitCode = await runCommand(process.argv.slice(2), {
  out: (line) => console.log(line),
  err: (line) => console.error(line),
  signal: interrupt.signal,
});
