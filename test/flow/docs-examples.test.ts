/**
 * The examples of README and docs, run as they are written, against a real `batchwell up`. Blocks of
 * `sh` run one after the other in one shell; a block of `json` after "Save … as `NAME`" becomes that file.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../cli/services/ports.ts';
import { blocksOf, scriptOf, type Skipped } from '../docs-examples.ts';
import { isLong } from '../long.ts';
import { docs } from '../docs-statements.ts';
import { repositoryRoot } from '../repository.ts';

const SLOW_MS = 180_000;

/** What runs elsewhere, or not at all, and why: by the first words of a block. */
const SKIPPED: readonly Skipped[] = [
  { starts: 'npm run batchwell -- up', why: 'the test has started it' },
  { starts: 'git clone', why: 'the repository is here; the demo has a test of its own' },
  { starts: 'npx ./batchwell', why: 'test/flow/packed.test.ts packs, installs and runs it' },
  { starts: 'npm run aws:deploy', why: 'needs an AWS account' },
];

/** In each run, and in long runs only. Docs that are not named have no block of sh that could run here. */
const EVERY_TIME = ['README.md', 'docs/api.md'];
const LONG_ONLY = ['docs/getting-started.md', 'docs/call-cache.md'];
const NOT_RUN: Readonly<Record<string, string>> = {
  'docs/producers.md': 'examples/producers have a test of their own (tes-clients, stack)',
  'docs/cromwell.md': 'needs Cromwell; test/flow/cromwell*.test.ts run its programs',
  'docs/security.md': 'needs an API with tokens; test/flow/api-access.test.ts has one',
  'docs/disks.md': 'needs a host with the disk daemon; packages/disk/test runs its commands',
  'docs/runbook.md':
    'needs an admin token, and hosts with disks; test/flow/api-*.test.ts call the routes',
  'docs/job-events.md': 'a setting, no command',
  'docs/scaling.md': 'a setting, no command',
  'docs/task-script.md': 'a script as the fleet writes it; test/contract/stager*.test.ts run such',
  'docs/upgrading.md':
    'needs two versions and a backup; test/flow/upgrading.test.ts runs its drills',
  'packages/local-aws/README.md': 'needs the AWS CLI; test/interop/awscli-*.test.ts run it',
};

let folder: string;
let up: ChildProcess;
let clone: string;
let port: number;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-docs-'));
  clone = await makeClone();
  port = await freePort();
  environment = {
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    HOME: folder,
    TMPDIR: process.env['TMPDIR'],
    BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    BATCHWELL_URL: `http://127.0.0.1:${port}`,
  };
  await makePrograms(join(folder, 'bin'));
  up = spawn(
    process.execPath,
    [join(repositoryRoot, 'cli/main.ts'), 'up', '--port', String(port)],
    {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: up.stdout! });
  for await (const line of lines) if (line.startsWith('Press Ctrl-C')) break;
}, SLOW_MS);

afterAll(async () => {
  if (up?.exitCode === null && up.signalCode === null) {
    const ended = once(up, 'exit');
    up.kill('SIGTERM');
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
}, SLOW_MS);

/** `npm run batchwell -- …` takes a second for npm itself: only a long run waits for it. */
async function makePrograms(bin: string): Promise<void> {
  await mkdir(bin);
  const cli = `exec "${process.execPath}" "${join(repositoryRoot, 'cli/main.ts')}" "$@"`;
  await writeFile(join(bin, 'batchwell'), `#!/bin/sh\n${cli}\n`, { mode: 0o755 });
  if (isLong) return;
  const npm = `while [ "$1" != -- ]; do shift; done; shift; ${cli}`;
  await writeFile(join(bin, 'npm'), `#!/bin/sh\n${npm}\n`, { mode: 0o755 });
}

/**
 * A folder that looks like the clone, so that what an example writes is not in the real one. All
 * documents share it, and the stack: a reader has read the README first.
 */
async function makeClone(): Promise<string> {
  const clone = join(folder, 'clone');
  await mkdir(clone);
  for (const entry of await readdir(repositoryRoot))
    await symlink(join(repositoryRoot, entry), join(clone, entry));
  return clone;
}

const textOf = (path: string): string => docs.find((doc) => doc.path === path)?.text ?? '';

it.for(isLong ? [...EVERY_TIME, ...LONG_ONLY] : EVERY_TIME)(
  'the examples of %s run as written',
  { timeout: SLOW_MS },
  async (path) => {
    const { files, script } = scriptOf(blocksOf(textOf(path)), SKIPPED);
    for (const [name, text] of files) await writeFile(join(clone, name), text);
    const here = script.replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`);
    const ran = await promisify(execFile)('bash', ['-eu', '-o', 'pipefail', '-c', here], {
      cwd: clone,
      env: environment,
      maxBuffer: 1 << 26,
    }).catch((error: { stdout: string; stderr: string }) => {
      throw new Error(`${path} failed after:\n${error.stdout}\n${error.stderr}`);
    });
    expect(ran.stdout).toContain('::end');
    // curl prints the refusals of the service and succeeds.
    expect(ran.stdout).not.toMatch(/"status_code":\s*(?!404)[45]/);
  },
);

it('each document with a block of sh is run, or says here why it is not', () => {
  const withShell = docs
    .filter(({ text }) => blocksOf(text).some(({ language }) => language === 'sh'))
    .map(({ path }) => path);
  const known = [...EVERY_TIME, ...LONG_ONLY, ...Object.keys(NOT_RUN)];
  expect(withShell.filter((path) => !known.includes(path))).toEqual([]);
});
