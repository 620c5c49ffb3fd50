/**
 * Runs vitest, then prints one last line `N passed, N failed`, whatever happened.
 *
 *   npm test                          every test except the interop tests
 *   npm test -- test/unit -t packing  passes arguments to vitest
 *   npm run test:long                 the same, and the long cases (test/long.ts)
 *   npm run test:interop              test/interop only
 *   npm run test:observability        test/observability only, after scripts/observability.ts
 *   npm run test:page                 test/page only: the page in Chromium
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
const which = ['interop', 'long', 'observability', 'page'].find((name) =>
  process.argv.includes(`--${name}`),
);
const forwarded = process.argv.slice(2).filter((argument) => argument !== `--${which}`);

// Every temporary file of the run goes here, so that an interrupted run leaves none behind.
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
    ...(which === undefined ? {} : { BATCHWELL_TESTS: which }),
  },
});

// Ctrl-C reaches vitest too, as a member of the terminal's process group. A signal that is sent to
// this process alone is passed on. Either way, wait until vitest has stopped its servers.
let signalled: NodeJS.Signals | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    signalled ??= signal;
    child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  });
}

child.once('error', (cause) => void finish(1, `vitest could not start: ${cause.message}`));
child.once(
  'close',
  (code, signal) =>
    void finish(code ?? 1, signal === null ? undefined : `vitest was killed by ${signal}.`),
);

async function finish(code: number, trouble: string | undefined): Promise<void> {
  const { passed, failed } = readTally(tallyFile);
  // A server that a watchdog is stopping may still write. The retries of rmSync give up silently
  // (Node 24.21), so check whether the folder is gone.
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

/** All zero if vitest ended before it counted. */
function readTally(file: string): Tally {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Tally;
  } catch {
    return { passed: 0, failed: 0 };
  }
}
