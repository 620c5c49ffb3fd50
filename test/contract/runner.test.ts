import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const runner = fileURLToPath(new URL('../../scripts/test.ts', import.meta.url));
const fixtures = fileURLToPath(new URL('../fixtures/tally/vitest.config.ts', import.meta.url));

function runTests(...given: string[]): Promise<{ code: number; lastLine: string }> {
  // With the outer run's variables, the inner vitest would take itself for a worker.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(VITEST|TEST$|NODE_ENV$|BATCHWELL_T)/.test(name),
    ),
  );
  return new Promise((resolve) => {
    execFile(process.execPath, [runner, ...given], { env }, (error, stdout) => {
      resolve({
        code: Number(error?.code ?? 0),
        lastLine: stdout.trimEnd().split('\n').at(-1) ?? '',
      });
    });
  });
}

test('the last line counts a failed test, a failed hook, an unloadable file and a stray rejection, each once', async () => {
  expect(await runTests('--config', fixtures)).toEqual({ code: 1, lastLine: '3 passed, 4 failed' });
});

test('a run of passing tests ends with 0 failed and exit code 0', async () => {
  expect(await runTests('--config', fixtures, 'mixed.case.ts', '-t', 'passes')).toEqual({
    code: 0,
    lastLine: '2 passed, 0 failed',
  });
});

test('a run that starts no test counts as one failure', async () => {
  expect(await runTests('--config', 'no-such-file.ts')).toEqual({
    code: 1,
    lastLine: '0 passed, 1 failed',
  });
});
