/**
 * A service that produces tasks: they come one by one, are submitted in scatters, and each result
 * is printed when its task ends. To try it with Batchwell on this machine:
 *
 *   npm run batchwell -- up                # in another terminal
 *   node examples/producers/http.ts        # set BATCHWELL_URL and BATCHWELL_TOKEN to use another Batchwell
 *
 * Ctrl-C stops producing and waiting; accepted tasks continue.
 */
import { setTimeout as pause } from 'node:timers/promises';
// In a project of your own: from '@batchwell/client'.
import {
  finalLog,
  BatchwellError,
  openClient,
  type TesTask,
} from '../../packages/client/client.ts';

const client = openClient({
  url: process.env['BATCHWELL_URL'] ?? 'http://127.0.0.1:8000',
  token: process.env['BATCHWELL_TOKEN'],
});
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('Interrupted.')));

/** A real service would read these from a queue, a table or a request. */
async function* orders(): AsyncGenerator<number> {
  for (let order = 1; order <= 12; order += 1) {
    yield order * 1000;
    await pause(150, undefined, { signal: stop.signal });
  }
}

async function* tasks(): AsyncGenerator<TesTask> {
  for await (const limit of orders()) {
    yield {
      name: `sum to ${limit}`,
      // The seventh fails, to show what a failure looks like.
      executors: [
        {
          image: 'debian:stable-slim',
          command: [
            'sh',
            '-c',
            `test ${limit} -ne 7000 && seq ${limit} | awk '{ sum += $1 } END { print sum }'`,
          ],
        },
      ],
      resources: { cpu_cores: 1, ram_gb: 0.25 },
      tags: { producer: 'examples/producers/http.ts' },
    };
  }
}

async function printEnd(id: string): Promise<void> {
  const task = await client.waitFor(id, { signal: stop.signal });
  const { name = '', state } = task;
  const exit = finalLog(task)?.logs[0]?.exit_code;
  const printed = state === 'COMPLETE' ? await client.logs(id) : '';
  console.log(
    `${id}  ${name.padEnd(12)}  ${state}${exit ? `, exit code ${exit}` : ''}  ${printed.trimEnd()}`,
  );
}

function printError(error: unknown): void {
  if (error instanceof BatchwellError)
    for (const { line, field, expected } of error.problems)
      console.error(`task ${line}: ${field}: expected ${expected}`);
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

const ends: Promise<void>[] = [];
try {
  for await (const scatter of client.submitMany(tasks(), {
    name: 'sums',
    ids: true,
    lingerMs: 500,
    signal: stop.signal,
  })) {
    console.log(`${scatter.id} has ${scatter.tasks} tasks, from number ${scatter.first + 1}`);
    // Each handles its own errors, because none is awaited until the source has ended.
    ends.push(...(scatter.task_ids ?? []).map((id) => printEnd(id).catch(printError)));
  }
} catch (error) {
  printError(error);
}
await Promise.all(ends);
