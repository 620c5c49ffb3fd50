/**
 * Makes a fresh clone ready: npm runs it before the tests, the demo and the CLI. It runs on the machine's own Node
 * (20 or later) before anything is installed, so it is plain JavaScript without dependencies. The Node 24 that the
 * project runs on comes with `npm ci`, as the optional dependency node-linux-*, and is first on PATH in npm scripts.
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
const stampFile = join(root, 'node_modules/.batchwell-setup');
const ownNode = join(root, 'node_modules/.bin/node');
/** The first Node that runs TypeScript without a flag. */
const oldestNode = [22, 18];

/** What is installed is right for this lock file, on this kind of machine. */
function wantedStamp() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${lock} ${process.platform}-${process.arch}`;
}

function isReady() {
  return (
    existsSync(stampFile) &&
    readFileSync(stampFile, 'utf8') === wantedStamp() &&
    (existsSync(ownNode) || isNewEnough(process.versions.node))
  );
}

/** @param {string} version such as `24.1.0` or `v24.1.0` */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/** Two at once take turns: `npm ci` begins by removing node_modules, also that of somebody who is using it. */
async function withLock(work) {
  const lockFile = join(root, '.batchwell/setup.lock');
  mkdirSync(dirname(lockFile), { recursive: true });
  for (let told = false; !takeLock(lockFile);) {
    if (!told) console.error('Another setup of this folder is under way; waiting for it…');
    told = true;
    await sleep(200);
  }
  const release = () => rmSync(lockFile, { force: true });
  process.on('exit', release);
  work();
}

/** False when a living process holds it. A lock whose holder is dead is removed, and taken at the next try. */
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
    // Between its making and its writing the file is empty for an instant: that holder lives.
    return pid === 0 || process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM'; // alive, and somebody else's
  }
}

function install() {
  console.error('Installing dependencies (npm ci, about half a minute)…');
  const npm = process.env.npm_execpath;
  const [program, ...before] = npm === undefined ? ['npm'] : [process.execPath, npm];
  // NODE_ENV=production must not leave out what the tests need; warnings are for those who choose versions.
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
  if (error !== undefined) stop(`npm could not be started: ${error.message}`);
  if (status !== 0) stop(`npm ci failed with exit code ${status}:\n${stdout}${stderr}`);
}

/** The Node that npm brought may not run here (it needs glibc); it must then not hide one that does. */
function checkNode() {
  if (existsSync(ownNode)) {
    const { status, stdout } = spawnSync(ownNode, ['--version'], { encoding: 'utf8' });
    if (status === 0 && isNewEnough(stdout)) return;
    if (isNewEnough(process.versions.node)) {
      unlinkSync(ownNode);
      return;
    }
  }
  if (isNewEnough(process.versions.node)) return;
  stop(
    `Batchwell needs Node ${oldestNode.join('.')} or later. This is ${process.version}, and npm brought none that runs on ${process.platform}-${process.arch}. Install Node 24 (nodejs.org), then run this again.`,
  );
}

/** @param {string} message */
function stop(message) {
  console.error(message);
  process.exit(1);
}

if (!isReady()) {
  await withLock(() => {
    if (isReady()) return; // the other one did it
    install();
    checkNode();
    writeFileSync(stampFile, wantedStamp());
  });
}
