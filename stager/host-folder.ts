/**
 * Builds the folder that hosts mount at /opt/batchwell: the stager, Node with its loader and
 * libraries, and a shell.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { bundleStager } from './bundle.ts';
import { digestFile } from './digest.ts';

const run = promisify(execFile);

export interface HostFolderOptions {
  /** The Node that runs in tasks' containers; the current one by default. */
  nodeBinary?: string;
  /**
   * A statically linked busybox; looked up on PATH by default. `false`: none, so tasks need /bin/sh
   * in their image.
   */
  shell?: string | false;
  /** A stager that was bundled before; bundled now by default. */
  stager?: string;
}

export interface HostFolder {
  path: string;
  /** Why the folder has no shell; absent when it has one. */
  withoutShell?: string;
}

/**
 * glibc loads these by name only when it resolves a host name, so ldd does not list them. Newer
 * glibc includes them.
 */
const RESOLVER_LIBRARIES = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];

interface Linked {
  loader: string;
  libraries: string[];
}

/** @throws Error when ldd names no loader for the binary */
async function readLinked(binary: string): Promise<Linked> {
  const { stdout } = await run('ldd', [binary]);
  const libraries = [...stdout.matchAll(/=> (\/\S+)/g)].flatMap((match) => match[1] ?? []);
  const loader = /^\s*(\/\S*\/ld-\S+)/m.exec(stdout)?.[1];
  if (loader === undefined)
    throw new Error(
      `ldd names no loader for ${binary}; expected a Node that is linked dynamically with glibc:\n${stdout}`,
    );
  const beside = dirname(libraries.find((library) => basename(library) === 'libc.so.6') ?? loader);
  const resolver = await Promise.all(
    RESOLVER_LIBRARIES.map((name) =>
      realpath(join(beside, name)).then(
        () => join(beside, name),
        () => undefined,
      ),
    ),
  );
  return {
    loader,
    libraries: [...new Set([...libraries, ...resolver.flatMap((path) => path ?? [])])],
  };
}

/** An ELF without an interpreter needs no loader, so it runs in any image. */
async function isStatic(binary: string): Promise<boolean> {
  const file = await open(binary, 'r');
  try {
    const head = Buffer.alloc(4_096);
    await file.read(head, 0, head.length, 0);
    if (head.toString('latin1', 0, 4) !== '\x7fELF' || head[4] !== 2) return false;
    const tableAt = Number(head.readBigUInt64LE(32));
    const entryBytes = head.readUInt16LE(54);
    const PT_INTERP = 3;
    for (let entry = 0; entry < head.readUInt16LE(56); entry += 1)
      if (head.readUInt32LE(tableAt + entry * entryBytes) === PT_INTERP) return false;
    return true;
  } finally {
    await file.close();
  }
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const path = join(folder, name);
    if (
      await stat(path).then(
        (facts) => facts.isFile(),
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

async function chooseShell(
  wanted: string | false | undefined,
): Promise<{ shell: string } | { withoutShell: string }> {
  if (wanted === false)
    return { withoutShell: 'The shell was turned off: tasks need /bin/sh in their image.' };
  const busybox = wanted ?? (await findOnPath('busybox'));
  const remedy = 'Tasks need /bin/sh in their image. To avoid that, install busybox-static.';
  if (busybox === undefined) return { withoutShell: `busybox is not on PATH. ${remedy}` };
  if (!(await isStatic(busybox)))
    return {
      withoutShell: `${busybox} is linked dynamically and does not run in every image. ${remedy}`,
    };
  return { shell: busybox };
}

/**
 * Node is 120 MB, so it is linked if it is on the same disk and anyone may run it; otherwise it is
 * copied.
 */
async function lay(source: string, target: string): Promise<void> {
  const real = await realpath(source);
  const { mode } = await stat(real);
  const linked =
    (mode & 0o7777) === 0o755 &&
    (await link(real, target).then(
      () => true,
      () => false,
    ));
  if (linked) return;
  await copyFile(real, target, constants.COPYFILE_FICLONE);
  await chmod(target, 0o755);
}

/** Describes what the folder was built from: equal stamps mean equal bytes. Node takes 0.3 s. */
async function stampOf(stager: string, files: readonly string[]): Promise<string> {
  const lines = await Promise.all(
    [stager, ...files].map(async (file, position) => {
      const sum = await digestFile(file, 'SHA256');
      return `${position === 0 ? 'stager' : file} ${Buffer.from(sum).toString('hex')}`;
    }),
  );
  return `${lines.join('\n')}\n`;
}

/** When two build at once, the second finds the folder of the first and deletes its own. */
async function putInPlace(made: string, target: string): Promise<void> {
  const old = `${made}.old`;
  await rename(target, old).catch(() => undefined);
  try {
    await rename(made, target);
  } catch (error) {
    if (
      !(await stat(join(target, 'stamp')).then(
        () => true,
        () => false,
      ))
    )
      throw error;
    await rm(made, { recursive: true, force: true });
  }
  await rm(old, { recursive: true, force: true });
}

/**
 * Builds the folder at `target`, whole or not at all. Does nothing when an equal folder is there.
 *
 * ```
 * stager.mjs   bin/node   bin/sh (static busybox)   lib/ld.so   lib/*.so*   stamp
 * ```
 * @throws Error when Node's libraries cannot be found
 */
export async function assembleHostFolder(
  target: string,
  options: HostFolderOptions = {},
): Promise<HostFolder> {
  const node = options.nodeBinary ?? process.execPath;
  const [linked, shell] = await Promise.all([readLinked(node), chooseShell(options.shell)]);
  await mkdir(dirname(target), { recursive: true });
  const made = await mkdtemp(`${target}.`);
  try {
    // Tasks may run as any user.
    await chmod(made, 0o755);
    await mkdir(join(made, 'bin'));
    await mkdir(join(made, 'lib'));
    if (options.stager === undefined) await bundleStager(join(made, 'stager.mjs'));
    else await lay(options.stager, join(made, 'stager.mjs'));

    const stamp = await stampOf(join(made, 'stager.mjs'), [
      node,
      linked.loader,
      ...linked.libraries,
      ...('shell' in shell ? [shell.shell] : []),
    ]);
    const folder = { path: target, ...('withoutShell' in shell && shell) };
    if (stamp === (await readFile(join(target, 'stamp'), 'utf8').catch(() => ''))) return folder;

    await Promise.all([
      lay(node, join(made, 'bin', 'node')),
      lay(linked.loader, join(made, 'lib', 'ld.so')),
      ...linked.libraries.map((library) => lay(library, join(made, 'lib', basename(library)))),
      ...('shell' in shell ? [lay(shell.shell, join(made, 'bin', 'sh'))] : []),
    ]);
    await writeFile(join(made, 'stamp'), stamp);
    await putInPlace(made, target);
    return folder;
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** The names in the folder, for people and tests. */
export const listHostFolder = async (target: string): Promise<string[]> =>
  (await readdir(target, { recursive: true })).toSorted();
