/**
 * infra/ is a package of its own: aws-cdk-lib alone is 220 MB, which neither the tests nor the demo need.
 * This installs it where it is missing or old, and runs its programs.
 *
 *   npm run infra:synth    writes infra/templates
 *   npm run test:infra     types, tests, and shellcheck where it is installed; arguments go to vitest
 *   npm run test:host      hosts that boot in QEMU; arguments go to vitest
 *   npm run aws:deploy     brings Batchwell into an AWS account; needs the clients of the SDK only
 *   npm run aws:teardown   removes it
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testHosts } from '../infra/test/boot/test-hosts.ts';

const infra = fileURLToPath(new URL('../infra', import.meta.url));
const stamp = join(infra, 'node_modules/.batchwell-setup');

function run(program: string, args: readonly string[], env = process.env): void {
  const { status, error } = spawnSync(program, args, { cwd: infra, stdio: 'inherit', env });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** The templates are committed, so to deploy them needs neither the CDK nor what tests them. */
function install(forDeployment: boolean): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(infra, 'package-lock.json')))
    .digest('hex');
  const there = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  const part = `${lock} deployment`;
  if (there === lock || (forDeployment && there === part)) return;
  const size = forDeployment ? '40 MB' : '350 MB';
  console.error(`Installing the packages of infra/ (${size})…`);
  const omit = forDeployment ? ['--omit=dev'] : [];
  run('npm', ['ci', '--prefix', infra, '--no-audit', '--no-fund', '--loglevel=error', ...omit]);
  writeFileSync(stamp, forDeployment ? part : lock);
}

/** In the same process group, so that Ctrl-C reaches it; this process waits until it has ended. */
function runDeployment(args: readonly string[]): void {
  const child = spawn(process.execPath, [join(infra, 'deploy/main.ts'), ...args], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both; whoever sends a signal to this one means both.
      if (signal === 'SIGTERM') child.kill(signal);
    });
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 130);
  });
}

const inPackage = (path: string): string => join(infra, 'node_modules', path);

function checkShell(): void {
  const scripts = ['host/bin', 'host/release', 'test/boot']
    .flatMap((folder) =>
      readdirSync(join(infra, folder))
        .filter((name) => /^[^.]+(\.sh)?$/.test(name) && name !== 'guest')
        .map((name) => join(folder, name)),
    )
    .concat('cromwell/boot');
  if (spawnSync('shellcheck', ['--version']).error)
    console.error(
      'shellcheck is not installed, so the scripts of hosts and servers are not checked by it.',
    );
  else run('shellcheck', scripts);
}

/** Earlier ones do not know EcsSettings. */
const CFN_LINT = 'cfn-lint>=1.58,<2';

/** Where Python and its packages are at hand, cfn-lint is installed once; the test says if it is not. */
function findCfnLint(): string | undefined {
  const { CFN_LINT: given } = process.env;
  if (given !== undefined) return given;
  const folder = inPackage('.cfn-lint');
  const program = join(folder, 'bin/cfn-lint');
  if (existsSync(program)) return program;
  console.error('Installing cfn-lint…');
  const made =
    spawnSync('python3', ['-m', 'venv', folder], { stdio: 'ignore' }).status === 0 &&
    spawnSync(join(folder, 'bin/pip'), ['install', '--quiet', CFN_LINT], {
      stdio: 'ignore',
      timeout: 300_000,
    }).status === 0;
  if (made) return program;
  console.error('cfn-lint cannot be installed (no Python, or no package index): it is skipped.');
  rmSync(folder, { recursive: true, force: true });
  return undefined;
}

const [what, ...rest] = process.argv.slice(2);
const isDeployment = what === 'deploy' || what === 'teardown';
install(isDeployment);
if (isDeployment) runDeployment([what, ...rest]);
else if (what === 'synth') run(process.execPath, ['synth.ts']);
else if (what === 'boot') process.exitCode = testHosts(rest);
else {
  run(process.execPath, [inPackage('typescript/bin/tsc'), '--project', 'tsconfig.json']);
  checkShell();
  const cfnLint = findCfnLint();
  run(process.execPath, [inPackage('vitest/vitest.mjs'), 'run', ...rest], {
    ...process.env,
    ...(cfnLint !== undefined && { CFN_LINT: cfnLint }),
  });
}
