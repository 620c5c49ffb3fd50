/**
 * A real MySQL for tests. Debian stable has only MariaDB, Debian sid has `mysql-server-core`. It is
 * downloaded with a sources.list of its own and unpacked into a folder; nothing is installed. It
 * runs with the loader and the libraries of sid from that folder, so it needs neither root nor a
 * chroot.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PACKAGE = 'mysql-server-core';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const NEEDS =
  'A real MySQL needs Debian with apt-get, dpkg-deb and the keyring of its archive, and network ' +
  'access to the mirror in its apt sources. Elsewhere, start a MySQL yourself and run the tests ' +
  'with BATCHWELL_TEST_DATABASE_URL=mysql://user:password@host:3306/name.';

/** There is no MySQL and none can be had. The message says what to do. */
export class NoMysql extends Error {
  override readonly name = 'NoMysql';

  constructor(what: string) {
    super(`${what} ${NEEDS}`);
  }
}

/**
 * The path of a program that takes the arguments of mysqld. The first call downloads 80 MB (some 60
 * packages), unpacks them into `folder` (330 MB) and takes about 20 s, the others nothing. Rejects
 * with NoMysql.
 */
export async function debianMysql(folder: string, say: (line: string) => void): Promise<string> {
  const root = join(folder, 'root');
  const program = join(folder, 'mysqld');
  if (!existsSync(root)) {
    const mirror = await debianMirror();
    say(`Downloading MySQL from Debian sid into ${folder} (once, about 20 seconds)…`);
    await unpackFromSid(mirror, folder, root);
  }
  await writeProgram(root, program);
  return program;
}

/** The mirror that this machine's own apt sources use for Debian itself. */
async function debianMirror(): Promise<string> {
  if (!existsSync(KEYRING)) throw new NoMysql(`There is no ${KEYRING}.`);
  const { stdout } = await run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(LABEL)',
    'Created-By: Packages',
  ]).catch((error: unknown) => {
    throw new NoMysql(`apt-get failed: ${String(error)}.`);
  });
  const mirrors = stdout.split('\n').map((line) => line.split(' '));
  const found = mirrors.find(
    // Without downloaded lists there are no labels. Other vendors' paths are longer.
    ([uri = '', label]) => label === 'Debian' || /^[a-z+]+:\/\/[^/]+\/debian\/$/.test(uri),
  );
  if (found?.[0] === undefined) throw new NoMysql('The apt sources name no mirror of Debian.');
  return found[0];
}

async function unpackFromSid(mirror: string, folder: string, root: string): Promise<void> {
  const apt = join(folder, 'apt');
  const fresh = join(folder, 'root.new');
  for (const path of [apt, fresh, root]) await rm(path, { recursive: true, force: true });
  for (const path of ['state/lists/partial', 'cache/archives/partial'])
    await mkdir(join(apt, path), { recursive: true });
  await mkdir(fresh);
  await writeFile(join(apt, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} sid main\n`);
  // No package counts as installed, so that every library comes along.
  await writeFile(join(apt, 'state/status'), '');
  try {
    await runApt(apt, ['update']);
    await runApt(apt, ['install', '--download-only', '--no-install-recommends', PACKAGE]);
    const archives = join(apt, 'cache/archives');
    for (const name of (await readdir(archives)).filter((one) => one.endsWith('.deb')))
      await run('dpkg-deb', ['-x', join(archives, name), fresh]);
  } catch (error) {
    throw new NoMysql(`The download of ${PACKAGE} from Debian sid failed: ${outputOf(error)}.`);
  }
  await rename(fresh, root);
  await rm(apt, { recursive: true, force: true });
}

const runApt = (apt: string, command: readonly string[]): Promise<unknown> =>
  run('apt-get', [
    ...Object.entries({
      'Dir::Etc::sourcelist': join(apt, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State': join(apt, 'state'),
      'Dir::State::status': join(apt, 'state/status'),
      'Dir::Cache': join(apt, 'cache'),
      // The user _apt may not reach the folder.
      'APT::Sandbox::User': 'root',
    }).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    '--yes',
    '--quiet=2',
    ...command,
  ]);

/** What a failed program said, without its command line. */
const outputOf = (error: unknown): string =>
  String((error as { stderr?: string }).stderr || error)
    .trim()
    .slice(-600);

/**
 * The server's own files are named after its arguments, because `--no-defaults` must be the first.
 */
async function writeProgram(root: string, program: string): Promise<void> {
  const libraries = join(
    root,
    'usr/lib',
    `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
  );
  const loader = (await readdir(libraries)).find((name) => /^ld-linux-.*\.so\.\d+$/.test(name));
  if (loader === undefined) throw new NoMysql(`There is no loader in ${libraries}.`);
  const command = [
    `exec '${join(libraries, loader)}' --library-path '${libraries}' '${join(root, 'usr/sbin/mysqld')}' "$@"`,
    `--basedir='${join(root, 'usr')}' --plugin-dir='${join(root, 'usr/lib/mysql/plugin')}'`,
    // The folder that Debian builds in does not exist here.
    '--secure-file-priv=NULL',
  ];
  await writeFile(program, `#!/bin/sh\n${command.join(' ')}\n`);
  await chmod(program, 0o755);
}
