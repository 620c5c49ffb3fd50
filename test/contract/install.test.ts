/**
 * A shell script stands for the system's package manager, so nothing is installed on this machine.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  ensureProgram,
  findProgram,
  MissingProgram,
  type Machine,
} from '../../cli/services/install.ts';
import { BUBBLEWRAP, MARIADB_SERVER, REDIS_SERVER } from '../../cli/services/programs.ts';
import { ensureBubblewrap } from '../../cli/services/sandbox.ts';

interface World {
  machine: Machine;
  folder: string;
  policyFile: string;
  add(name: string, script: string): Promise<void>;
  /** What the fake programs wrote, one line each. */
  journal(): Promise<string[]>;
}

const shellTools = ['rm', 'chmod', 'grep', 'cat', 'flock', 'sleep', 'sh'];

async function machineWith(programs: Record<string, string>, isRoot: boolean): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-install-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const policyFile = join(folder, 'policy-rc.d');
  const add = async (name: string, script: string) => {
    await writeFile(join(folder, name), `#!/bin/sh\ncd ${folder}\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  };
  for (const tool of shellTools) {
    const path = findProgram([tool], {
      searchFolders: ['/usr/bin', '/bin'],
      isRoot,
      installPaths: { lockFile: '', policyFile: '' },
    });
    if (path !== undefined) await symlink(path, join(folder, tool));
  }
  for (const [name, script] of Object.entries(programs)) await add(name, script);
  const machine = {
    searchFolders: [folder],
    isRoot,
    installPaths: { lockFile: join(folder, 'lock'), policyFile },
  };
  const journal = async () =>
    (await readFile(join(folder, 'journal'), 'utf8')).trimEnd().split('\n');
  return { machine, folder, policyFile, add, journal };
}

/** A fake apt-get: records whether services may start at that moment, and creates the program. */
const aptGet = (program: string) => `
  case "$*" in
    *update*) echo update >>journal;;
    *' -s '*) echo "Inst lib${program} (1.0 Debian [amd64])"; echo "Inst ${program} (1.0 Debian [amd64])";;
    *) echo "services: $(if [ -x policy-rc.d ]; then ./policy-rc.d >/dev/null; echo $?; else echo may start; fi)" >>journal
       sleep 0.1
       printf '#!/bin/sh\\n' >${program}; chmod 755 ${program};;
  esac`;

const quiet = () => undefined;

test('a missing program without root is an error that names the command and the alternative', async () => {
  const { machine, folder } = await machineWith({ 'apt-get': 'echo called >>journal' }, false);
  const refusal = await ensureProgram(REDIS_SERVER, machine, quiet).catch((error: Error) => error);
  expect(refusal).toBeInstanceOf(MissingProgram);
  expect(refusal).toHaveProperty(
    'message',
    'Batchwell needs Redis, but found no redis-server or valkey-server on this machine. ' +
      'Install it with `sudo apt-get update && sudo apt-get install -y redis-server`, ' +
      'or set REDIS_URL to a server that you have (redis://host:6379).',
  );
  expect(existsSync(join(folder, 'journal'))).toBe(false);
});

test('a missing program without a package manager is an error that names the alternative', async () => {
  const { machine } = await machineWith({}, true);
  await expect(ensureProgram(MARIADB_SERVER, machine, quiet)).rejects.toThrow(
    /needs MariaDB, but found no mariadbd or mysqld on this machine. Install it, or set DATABASE_URL/,
  );
});

test('a missing program is installed as root, and its service is neither started nor enabled', async () => {
  const programs = { 'apt-get': aptGet('redis-server'), systemctl: 'echo "$*" >>journal' };
  const { machine, folder, policyFile, journal } = await machineWith(programs, true);
  const said: string[] = [];
  expect(await ensureProgram(REDIS_SERVER, machine, (line) => said.push(line))).toBe(
    join(folder, 'redis-server'),
  );
  expect(said).toEqual([
    'Installing Redis with apt-get (once, about half a minute)…',
    '  It will install 2 packages: libredis-server, redis-server.',
  ]);
  expect(await journal()).toEqual([
    'update',
    'services: 101',
    'disable redis-server',
    'disable valkey-server',
  ]);
  expect(existsSync(policyFile)).toBe(false);
});

test('an existing service policy is kept, and one left by a killed run is removed', async () => {
  const kept = await machineWith(
    { 'apt-get': aptGet('redis-server'), 'policy-rc.d': 'exit 104' },
    true,
  );
  await ensureProgram(REDIS_SERVER, kept.machine, quiet);
  expect(await kept.journal()).toEqual(['update', 'services: 104']);
  expect(await readFile(kept.policyFile, 'utf8')).toContain('exit 104');

  const left = await machineWith(
    {
      'apt-get': aptGet('redis-server'),
      'policy-rc.d': '# written by batchwell while it installs packages\nexit 101',
    },
    true,
  );
  await ensureProgram(REDIS_SERVER, left.machine, quiet);
  expect(existsSync(left.policyFile)).toBe(false);
});

test('a failed installation shows its reason and removes the policy', async () => {
  const { machine, policyFile } = await machineWith(
    { 'apt-get': 'echo "E: Unable to locate package" >&2; exit 100' },
    true,
  );
  await expect(ensureProgram(REDIS_SERVER, machine, quiet)).rejects.toThrow(
    /failed with exit code 100[^]*Unable to locate package/,
  );
  expect(existsSync(policyFile)).toBe(false);
});

test('two concurrent calls install a program once', async () => {
  const { machine, journal } = await machineWith({ 'apt-get': aptGet('bwrap') }, true);
  await Promise.all([
    ensureProgram(BUBBLEWRAP, machine, quiet),
    ensureProgram(BUBBLEWRAP, machine, quiet),
  ]);
  expect(await journal()).toEqual(['update', 'services: 101']);
});

test('proot is used when the kernel refuses bubblewrap', async () => {
  const { machine, folder, add } = await machineWith(
    { bwrap: 'echo "No permissions to create new namespace" >&2; exit 1' },
    false,
  );
  await expect(ensureBubblewrap(machine)).rejects.toThrow(
    /cannot run tasks on this machine[^]*No permissions to create new namespace/,
  );
  await add('proot', 'exit 0');
  expect(await ensureBubblewrap(machine)).toEqual({
    kind: 'proot',
    program: join(folder, 'proot'),
  });
});
