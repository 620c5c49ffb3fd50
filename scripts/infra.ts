/**
 * infra/ is a package of its own: aws-cdk-lib alone is 220 MB, which neither the tests nor the demo need.
 * This installs it where it is missing or old, and runs its programs.
 *
 *   npm run infra:synth   writes infra/templates
 *   npm run test:infra    types, tests, and shellcheck where it is installed; arguments go to vitest
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const infra = fileURLToPath(new URL('../infra', import.meta.url));
const stamp = join(infra, 'node_modules/.batchwell-setup');

function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { cwd: infra, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function install(): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(infra, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('Installing the packages of infra/ (290 MB)…');
  run('npm', ['ci', '--prefix', infra, '--no-audit', '--no-fund']);
  writeFileSync(stamp, lock);
}

const inPackage = (path: string): string => join(infra, 'node_modules', path);

function checkShell(): void {
  const scripts = ['host/bin', 'host/release'].flatMap((folder) =>
    readdirSync(join(infra, folder))
      .filter((name) => !name.endsWith('.service'))
      .map((name) => join(folder, name)),
  );
  if (spawnSync('shellcheck', ['--version']).error)
    console.error(
      'shellcheck is not installed, so the scripts of the hosts are not checked by it.',
    );
  else run('shellcheck', scripts);
}

const [what, ...rest] = process.argv.slice(2);
install();
if (what === 'synth') run(process.execPath, ['synth.ts']);
else {
  run(process.execPath, [inPackage('typescript/bin/tsc'), '--project', 'tsconfig.json']);
  checkShell();
  run(process.execPath, [inPackage('vitest/vitest.mjs'), 'run', ...rest]);
}
