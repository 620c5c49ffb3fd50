/**
 * `npm run test:mysql [-- test/flow/NAME.test.ts]`: the tests that use a database, on a real MySQL
 * instead of MariaDB. Not part of `npm test`, because it downloads MySQL at its first run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { debianMysql, NoMysql } from './debian-mysql.ts';

const WITH_DATABASE = [
  'test/contract/db-',
  'test/contract/queue',
  'test/contract/connections',
  'test/flow/',
];

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

try {
  const program = await debianMysql(at('.batchwell/mysql'), (line) => console.error(line));
  process.exitCode = await runTests(program, process.argv.slice(2));
} catch (error) {
  if (!(error instanceof NoMysql)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

/** The exit code of the tests. They start the server, and end it. */
async function runTests(program: string, args: readonly string[]): Promise<number> {
  const tests = spawn(
    process.execPath,
    [at('scripts/test.ts'), ...(args.length === 0 ? WITH_DATABASE : args)],
    { stdio: 'inherit', env: { ...process.env, BATCHWELL_TEST_MYSQLD: program } },
  );
  // Ctrl-C reaches the tests too, which stop their servers first.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => tests.kill(signal));
  const [code, signal] = (await once(tests, 'close')) as [number | null, NodeJS.Signals | null];
  if (signal !== null) console.error(`The tests were killed by ${signal}.`);
  return code ?? 1;
}
