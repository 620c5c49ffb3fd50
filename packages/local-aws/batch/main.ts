/**
 * The local AWS Batch as its own process:
 *
 *   node packages/local-aws/batch/main.ts CONFIG
 *
 * CONFIG is a file, or - for standard input, with the JSON of settings.ts.
 *
 * Prints `{"url", "port", "runner"}` on one line when it is ready. SIGTERM and SIGINT end every job
 * that it started, then the process. So does SIGKILL where jobs run isolated.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { startLocalBatch } from './server.ts';
import { chooseRunner } from './runners/choose.ts';
import { createSimulatedRunner } from './runners/simulated.ts';
import { parseSettings, type LocalBatchSettings } from './settings.ts';

const BAD_USAGE = 2;

function refuse(problems: string[]): never {
  process.stderr.write(`${problems.map((problem) => `local batch: ${problem}`).join('\n')}\n`);
  process.exit(BAD_USAGE);
}

async function readSettings(source: string | undefined): Promise<LocalBatchSettings> {
  if (source === undefined)
    refuse(['Give one argument: a file with the settings as JSON, or - for standard input.']);
  const json =
    source === '-'
      ? await text(process.stdin)
      : await readFile(source, 'utf8').catch((cause: unknown) => refuse([String(cause)]));
  const parsed = parseSettings(json);
  return 'problems' in parsed ? refuse(parsed.problems) : parsed.settings;
}

const {
  runner: kind = 'auto',
  simulated,
  engineFlags = [],
  withoutEntrypointAt,
  ...settings
} = await readSettings(process.argv[2]);
const { dataFolder, keepScratch = false } = settings;
const runner =
  kind === 'simulated'
    ? createSimulatedRunner(() => ({ durationMs: 0, ...simulated }))
    : await chooseRunner({
        dataFolder,
        keepScratch,
        engineFlags,
        withoutEntrypointAt,
        ...(kind === 'auto' ? {} : { only: kind }),
      });
const batch = await startLocalBatch({ ...settings, runner });
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void batch.close().then(() => process.exit(0)));
}
process.stdout.write(
  `${JSON.stringify({ url: batch.url, port: batch.port, runner: batch.runner })}\n`,
);
