/**
 * What `npm test` runs: vitest, then one last line `N passed, N failed`, whatever happened.
 *
 *   npm test                          everything but the interop tests
 *   npm test -- test/unit -t packing  arguments are vitest's own
 *   npm run test:interop              test/interop alone
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Tally } from '../test/tally-reporter.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const interop = process.argv.includes('--interop');
const forwarded = process.argv.slice(2).filter((argument) => argument !== '--interop');

// Every temporary file of the run is made in here, so that a run that is broken off leaves none behind.
const folder = mkdtempSync(join(tmpdir(), 'batchwell-run-'));
chmodSync(folder, 0o711); // mariadbd's own user must pass through
const tallyFile = join(folder, 'tally.json');
const child = spawn(process.execPath, [vitest, 'run', ...forwarded], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    TMPDIR: folder,
    BATCHWELL_TALLY_FILE: tallyFile,
    ...(interop ? { BATCHWELL_TESTS: 'interop' } : {}),
  },
});

// Ctrl-C reaches vitest by itself, as a member of the terminal's group; a signal sent to us alone is passed on.
// Either way we stay until vitest has taken its servers down.
let signalled: NodeJS.Signals | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    signalled ??= signal;
    child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  });
}

child.once('error', (cause) => void finish(1, `vitest could not be started: ${cause.message}`));
child.once(
  'close',
  (code, signal) =>
    void finish(code ?? 1, signal === null ? undefined : `vitest was ended by ${signal}.`),
);

async function finish(code: number, trouble: string | undefined): Promise<void> {
  const { passed, failed } = readTally(tallyFile);
  // What its watchdog is just ending may still write. Node's own retries give up without a word (24.21), so it is looked at.
  for (let tried = 0; existsSync(folder) && tried < 50; tried += 1) {
    rmSync(folder, { recursive: true, force: true });
    await sleep(100);
  }
  if (trouble !== undefined) console.error(trouble);
  const incomplete = code !== 0 || signalled !== undefined;
  const failures = failed === 0 && incomplete ? 1 : failed;
  console.log(`${passed} passed, ${failures} failed`);
  process.exitCode =
    signalled === undefined ? Number(failures > 0) : 128 + constants.signals[signalled];
}

/** All zero when vitest did not get as far as counting. */
function readTally(file: string): Tally {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Tally;
  } catch {
    return { passed: 0, failed: 0 };
  }
}
