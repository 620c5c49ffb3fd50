/**
 * `npm run test:host [-- vitest arguments]`: boots hosts in QEMU, one at a time. Exit code 77 means that
 * nothing was tested, because something is missing here.
 *
 * Everything runs in namespaces of its own: with the first process of each, the kernel ends all others
 * and takes their mounts away, however the test ends. No machine reaches a network but the played one.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SKIPPED = 77;
const MOST_MINUTES = 60;
/** The Debian root, 600 MB, is made once. */
const CACHE = '/var/tmp/batchwell-boot';
const QEMU = process.arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64';
/** Programs and the packages of Debian that have them. */
const NEEDED = {
  [QEMU]: 'qemu-system-x86',
  debootstrap: 'debootstrap',
  busybox: 'busybox-static',
  debugfs: 'e2fsprogs',
  ip: 'iproute2',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  flock: 'util-linux',
} as const;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const infra = here('../..');

function skip(sentence: string): never {
  console.error(`Skipped: ${sentence} No host was booted.`);
  process.exit(SKIPPED);
}

function checkNeeds(): void {
  if (process.platform !== 'linux') skip('test:host needs Linux.');
  if (process.arch !== 'x64') skip('test:host knows the machines of x86-64 only.');
  if (process.getuid?.() !== 0) skip('test:host needs root, for namespaces and a Debian root.');
  const path = `${process.env['PATH']}:/usr/sbin:/sbin`;
  process.env['PATH'] = path;
  const missing = Object.entries(NEEDED).filter(
    ([program]) => !path.split(':').some((folder) => existsSync(join(folder, program))),
  );
  const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
  if (missing.length > 0)
    skip(
      `${missing.map(([program]) => program).join(', ')} cannot be found. Install it with ` +
        `\`apt-get install --no-install-recommends ${packages}\`, then run the test again.`,
    );
}

/** Runs a program in namespaces of its own, which end with this process. */
function runAlone(namespaces: string[], words: string[], env = {}): number {
  const alone = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', ...namespaces];
  const { status, error } = spawnSync(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...alone, '--', ...words],
    {
      cwd: infra,
      stdio: 'inherit',
      env: { ...process.env, ...env },
      timeout: MOST_MINUTES * 60_000,
      killSignal: 'SIGKILL',
    },
  );
  if (error) console.error(error.message);
  return status ?? 1;
}

function mustRun(words: string[]): void {
  const code = runAlone([], words);
  if (code !== 0) throw new Error(`${words.join(' ')} failed with exit code ${code}.`);
}

/** The root is named by how it is made. @returns its path */
function ensureRoot(): string {
  const recipe = createHash('sha256')
    .update(readFileSync(here('root.sh')))
    .digest('hex');
  const root = join(CACHE, `root-${recipe.slice(0, 12)}`);
  if (existsSync(root)) return root;
  console.error('Making a Debian root with cloud-init and Docker, once (3 minutes)…');
  rmSync(`${root}.new`, { recursive: true, force: true });
  mustRun(['sh', here('root.sh'), `${root}.new`]);
  for (const part of PARTS) renameSync(`${root}.new.${part}`, `${root}.${part}`);
  renameSync(`${root}.new`, root);
  return root;
}

const PARTS = ['kernel', 'played.crt', 'played.key'] as const;

/** The folder that the tests use. */
function makeFolder(): string {
  const root = ensureRoot();
  const folder = join(CACHE, 'now');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const part of PARTS) copyFileSync(`${root}.${part}`, join(folder, part));
  mustRun(['sh', here('disk.sh'), root, here('guest'), join(folder, 'disk')]);
  return folder;
}

/** Until this process ends. The lock is that of the open file, which the program shares with us. */
function lock(): void {
  const file = openSync(join(CACHE, 'lock'), 'w');
  const { status } = spawnSync('flock', ['--nonblock', '3'], {
    stdio: ['ignore', 'inherit', 'inherit', file],
  });
  if (status !== 0) throw new Error('Another test:host runs on this machine. Wait for its end.');
}

/** @returns the exit code */
export function testHosts(args: readonly string[]): number {
  checkNeeds();
  mkdirSync(CACHE, { recursive: true, mode: 0o700 });
  lock();
  const folder = makeFolder();
  try {
    const vitest = join(infra, 'node_modules/vitest/vitest.mjs');
    return runAlone(
      ['--net'],
      [process.execPath, vitest, 'run', '--config', 'vitest.boot.config.ts', ...args],
      { BATCHWELL_BOOT_FOLDER: folder },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
