/** A script plays npm, so that nothing is downloaded. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const setupFile = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));

/** Notes its arguments. Removes node_modules first and writes it slowly, as `npm ci` does. */
const goodNpm = `
const { appendFileSync, mkdirSync, rmSync, existsSync } = require('node:fs');
if (existsSync('under-way')) { console.error('two at once'); process.exit(1); }
mkdirSync('under-way');
appendFileSync('journal', process.argv.slice(2).join(' ') + '\\n');
rmSync('node_modules', { recursive: true, force: true });
setTimeout(() => { mkdirSync('node_modules/.bin', { recursive: true }); rmSync('under-way', { recursive: true }); }, 200);
`;

interface Project {
  folder: string;
  run(): Promise<{ code: number; output: string }>;
  installs(): Promise<string[]>;
}

async function project(npm = goodNpm): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-setup-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'package-lock.json'), '{}');
  await writeFile(join(folder, 'npm.cjs'), npm);
  const env = { ...process.env, BATCHWELL_ROOT: folder, npm_execpath: join(folder, 'npm.cjs') };
  const run = () =>
    new Promise<{ code: number; output: string }>((resolve) => {
      execFile(process.execPath, [setupFile], { env }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
      );
    });
  const installs = async () =>
    existsSync(join(folder, 'journal'))
      ? (await readFile(join(folder, 'journal'), 'utf8')).trimEnd().split('\n')
      : [];
  return { folder, run, installs };
}

test('the first setup prints one line and installs, the second prints and installs nothing', async () => {
  const { run, installs } = await project();
  expect(await run()).toEqual({
    code: 0,
    output: 'Installing dependencies (npm ci, about half a minute)…\n',
  });
  expect(await run()).toEqual({ code: 0, output: '' });
  expect(await installs()).toEqual([
    'ci --include=dev --include=optional --no-audit --no-fund --loglevel=error',
  ]);
});

test('a setup installs again after the lock file changes or node_modules is removed', async () => {
  const { folder, run, installs } = await project();
  await run();
  await writeFile(join(folder, 'package-lock.json'), '{ "changed": true }');
  await run();
  await rm(join(folder, 'node_modules'), { recursive: true });
  await run();
  expect(await installs()).toHaveLength(3);
});

test('two setups at once install once, and both succeed', async () => {
  const { run, installs } = await project();
  const [one, two] = await Promise.all([run(), run()]);
  expect([one.code, two.code]).toEqual([0, 0]);
  expect(await installs()).toHaveLength(1);
});

test('the lock of a killed setup does not block the next one', async () => {
  const { folder, run } = await project();
  await mkdir(join(folder, '.batchwell'));
  // No process has this pid: Linux gives no pid above 4194304.
  await writeFile(join(folder, '.batchwell/setup.lock'), '4194305');
  expect((await run()).code).toBe(0);
  expect(existsSync(join(folder, '.batchwell/setup.lock'))).toBe(false);
});

test('a setup whose npm fails shows the reason, and the next setup tries again', async () => {
  const { folder, run } = await project('console.error("npm error ECONNREFUSED"); process.exit(7)');
  const failed = await run();
  expect(failed.code).toBe(1);
  expect(failed.output).toContain('npm ci failed with exit code 7:\nnpm error ECONNREFUSED');
  await writeFile(join(folder, 'npm.cjs'), goodNpm);
  expect((await run()).code).toBe(0);
});

test('a setup removes a Node from npm that does not run on this machine', async () => {
  const { folder, run } = await project(goodNpm);
  await writeFile(
    join(folder, 'npm.cjs'),
    `${goodNpm}; process.on('exit', () => require('node:fs').writeFileSync('node_modules/.bin/node', 'not for this machine', { mode: 0o755 }));`,
  );
  await chmod(join(folder, 'npm.cjs'), 0o644);
  expect((await run()).code).toBe(0);
  expect(existsSync(join(folder, 'node_modules/.bin/node'))).toBe(false);
});
