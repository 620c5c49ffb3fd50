/**
 * A service that produces tasks: they come one by one, go to Batchwell in scatters as they gather, and each end is told when it
 * comes. Against a Batchwell on this machine:
 *
 *   npm run batchwell -- up                # in another terminal
 *   node examples/producers/http.ts        # BATCHWELL_URL and BATCHWELL_TOKEN for another one
 *
 * Ctrl-C stops producing and waiting; what was accepted goes on.
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

/** Plays what a real service would read from a queue, a table or a request. */
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
      // The seventh fails, so that there is something to see.
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

async function tellEnd(id: string): Promise<void> {
  const task = await client.waitFor(id, { signal: stop.signal });
  const { name = '', state } = task;
  const exit = finalLog(task)?.logs[0]?.exit_code;
  const printed = state === 'COMPLETE' ? await client.logs(id) : '';
  console.log(
    `${id}  ${name.padEnd(12)}  ${state}${exit ? `, exit code ${exit}` : ''}  ${printed.trimEnd()}`,
  );
}

function tellTrouble(error: unknown): void {
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
    console.log(`${scatter.id} holds ${scatter.tasks} tasks, from number ${scatter.first + 1} on`);
    // Each has to tell its own trouble: nobody waits for it until the source has ended.
    ends.push(...(scatter.task_ids ?? []).map((id) => tellEnd(id).catch(tellTrouble)));
  }
} catch (error) {
  tellTrouble(error);
}
await Promise.all(ends);
