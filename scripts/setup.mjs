/**
 * Makes a fresh clone ready. npm runs it before the tests, the demo and the CLI, on the machine's
 * own Node (20 or later) and before anything is installed. So it is plain JavaScript without
 * dependencies. The Node 24 that the project runs on comes with `npm ci`, as the optional dependency
 * node-linux-*, and is first on PATH in npm scripts.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = process.env.BATCHWELL_ROOT ?? fileURLToPath(new URL('..', import.meta.url));
const STAMP_FILE = join(root, 'node_modules/.batchwell-setup');
const OWN_NODE = join(root, 'node_modules/.bin/node');
/** The first Node that runs TypeScript without a flag. */
const OLDEST_NODE = [22, 18];

/** Names what has to be installed: this lock file, on this kind of machine. */
function wantedStamp() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${lock} ${process.platform}-${process.arch}`;
}

function isReady() {
  return (
    existsSync(STAMP_FILE) &&
    readFileSync(STAMP_FILE, 'utf8') === wantedStamp() &&
    (existsSync(OWN_NODE) || isNewEnough(process.versions.node))
  );
}

/** @param {string} version such as `24.1.0` or `v24.1.0` */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

/** Two setups take turns: `npm ci` begins by removing node_modules, even while it is in use. */
async function withLock(work) {
  const lockFile = join(root, '.batchwell/setup.lock');
  mkdirSync(dirname(lockFile), { recursive: true });
  for (let announced = false; !takeLock(lockFile);) {
    if (!announced) console.error('Another setup of this folder is running. Waiting for it…');
    announced = true;
    await sleep(200);
  }
  const release = () => rmSync(lockFile, { force: true });
  process.on('exit', release);
  work();
}

/** False if a live process holds it. A dead holder's lock is removed, and taken at the next try. */
function takeLock(lockFile) {
  try {
    const file = openSync(lockFile, 'wx');
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!holderLives(lockFile)) rmSync(lockFile, { force: true });
    return false;
  }
}

function holderLives(lockFile) {
  try {
    const pid = Number(readFileSync(lockFile, 'utf8'));
    // The file is empty for an instant after it is created: its holder is alive.
    return pid === 0 || process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM'; // alive, and owned by another user
  }
}

function install() {
  console.error('Installing dependencies (npm ci, about half a minute)…');
  const npm = process.env.npm_execpath;
  const [program, ...before] = npm === undefined ? ['npm'] : [process.execPath, npm];
  // NODE_ENV=production must not leave out what the tests need. Warnings concern only those who
  // choose versions.
  const args = [
    ...before,
    'ci',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
  });
  if (error !== undefined) stop(`npm could not start: ${error.message}`);
  if (status !== 0) stop(`npm ci failed with exit code ${status}:\n${stdout}${stderr}`);
}

/** The Node that npm installed needs glibc. Where it does not run, it must not hide one that does. */
function checkNode() {
  if (existsSync(OWN_NODE)) {
    const { status, stdout } = spawnSync(OWN_NODE, ['--version'], { encoding: 'utf8' });
    if (status === 0 && isNewEnough(stdout)) return;
    if (isNewEnough(process.versions.node)) {
      unlinkSync(OWN_NODE);
      return;
    }
  }
  if (isNewEnough(process.versions.node)) return;
  stop(
    `Batchwell needs Node ${OLDEST_NODE.join('.')} or later. This is ${process.version}, and npm has none for ` +
      `${process.platform}-${process.arch}. Install Node 24 from nodejs.org, then try again.`,
  );
}

/** @param {string} message */
function stop(message) {
  console.error(message);
  process.exit(1);
}

if (!isReady()) {
  await withLock(() => {
    if (isReady()) return; // the other setup did it
    install();
    checkNode();
    writeFileSync(STAMP_FILE, wantedStamp());
  });
}
