/** Makes the disk of the tasks before Docker starts, or finds the one of the boot before. Safe to repeat. */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { chooseFirstDisk } from '../rules/first-disk.ts';
import { GROUP } from '../rules/facts.ts';
import type { Policy } from '../rules/policy.ts';
import { INSTANCE_STORE, nvmeDevices } from './devices.ts';
import { contentsOf, groupExists, lvm, LV_PATH, mustRun, probe, readGroup, VOLUME } from './lvm.ts';
import { BALLAST_BYTES, paths } from './paths.ts';
import { run } from './programs.ts';

const INSTALL_MS = 180_000;
const COPY_MS = 240_000;
const PROGRAMS = { lvm: 'lvm2', 'mkfs.xfs': 'xfsprogs', xfs_growfs: 'xfsprogs' } as const;
const INSTALLERS = [
  ['dnf', ['-y', '-q', 'install']],
  ['yum', ['-y', '-q', 'install']],
  ['apt-get', ['-y', '-q', 'install']],
] as const;

class CannotSetUp extends Error {}

export async function setUp(policy: Policy): Promise<void> {
  if (!isMounted(paths.mount)) {
    await requirePrograms();
    if (await groupExists()) await mustRun(lvm('vgchange', ['-ay', GROUP]));
    else await makeGroup(policy);
    mkdirSync(paths.mount, { recursive: true });
    await mount();
  }
  for (const target of paths.binds) await bind(target);
  await makeBallast();
  mkdirSync(paths.run, { recursive: true });
  writeFileSync(paths.ready, `${policy.mode}\n`);
}

/** A disk is kept for what tasks of this boot write: nobody needs what is on one that cannot be read any more. */
async function mount(): Promise<void> {
  const { code, said } = await run('mount', ['-t', 'xfs', '-o', 'noatime', LV_PATH, paths.mount]);
  if (code !== 0)
    throw new CannotSetUp(
      `The disk of the tasks cannot be mounted: ${said}. Tasks do not outlive a restart of their host, so this host ends, ` +
        'and Batch starts another one.',
    );
}

const isMounted = (target: string): boolean =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === target);

const missingPackages = (): string[] => [
  ...new Set(
    Object.entries(PROGRAMS).flatMap(([program, name]) => (isOnPath(program) ? [] : [name])),
  ),
];

/** The image of Amazon for ECS has no LVM; its packages come from S3 like everything else. */
async function requirePrograms(): Promise<void> {
  const packages = missingPackages();
  if (packages.length === 0) return;
  const installer = INSTALLERS.find(([program]) => isOnPath(program));
  if (installer === undefined)
    throw new CannotSetUp(
      `The AMI has no ${packages.join(', no ')}, and nothing to install it with.`,
    );
  const [program, args] = installer;
  const { code, said } = await run(program, [...args, ...packages], { deadlineMs: INSTALL_MS });
  if (code !== 0 || missingPackages().length > 0)
    throw new CannotSetUp(
      `The AMI has no ${packages.join(', no ')}, and installing failed: ${said}`,
    );
}

const isOnPath = (program: string): boolean =>
  (process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin')
    .split(':')
    .some((folder) => existsSync(join(folder, program)));

async function makeGroup(policy: Policy): Promise<void> {
  // Needed where no device of the mapper was ever used.
  await run('modprobe', ['-q', 'dm-mod']);
  const devices = nvmeDevices();
  const contents = await contentsOf(
    devices,
    await readGroup(),
    async (path) => (await probe(path)).content,
  );
  const chosen = chooseFirstDisk(
    policy,
    devices.map(({ path, sizeBytes, model }) => ({
      path,
      sizeBytes,
      isInstanceStore: model === INSTANCE_STORE,
      content: contents.get(path) ?? { is: 'foreign', signature: 'unknown' },
    })),
  );
  if ('problem' in chosen) throw new CannotSetUp(chosen.problem);
  const { striped, more } = chosen;
  for (const path of [...striped, ...more]) await mustRun(lvm('pvcreate', ['--quiet', path]));
  await mustRun(lvm('vgcreate', [GROUP, ...striped]));
  const stripes = striped.length > 1 ? ['-i', String(striped.length), '-I', '256k'] : [];
  const name = ['-Wn', '-n', VOLUME, GROUP];
  await mustRun(lvm('lvcreate', [...stripes, '-l', '100%FREE', ...name]));
  if (more.length > 0) {
    await mustRun(lvm('vgextend', [GROUP, ...more]));
    await mustRun(lvm('lvextend', ['-i', '1', '-l', '+100%FREE', `${GROUP}/${VOLUME}`]));
  }
  // Discarding terabytes takes long, and new devices are empty.
  await mustRun(run('mkfs.xfs', ['-q', '-K', LV_PATH]));
}

/** An AMI can hold images already: they come along, once. */
async function bind(target: string): Promise<void> {
  if (isMounted(target)) return;
  const source = join(paths.mount, basename(target));
  mkdirSync(target, { recursive: true, mode: 0o711 });
  if (!existsSync(source)) {
    const next = `${source}.new`;
    await mustRun(run('rm', ['-rf', next]));
    mkdirSync(next, { mode: 0o711 });
    if (readdirSync(target).length > 0)
      await mustRun(run('cp', ['-a', `${target}/.`, next], { deadlineMs: COPY_MS }));
    await mustRun(run('mv', [next, source]));
  }
  await mustRun(run('mount', ['--bind', source, target]));
}

/** Room on the root volume that the daemon gives back to agent and logs when they need it. */
async function makeBallast(): Promise<void> {
  if (statSync(paths.ballast, { throwIfNoEntry: false }) !== undefined) return;
  mkdirSync(dirname(paths.ballast), { recursive: true });
  const { code } = await run('fallocate', ['-l', String(BALLAST_BYTES), paths.ballast]);
  if (code === 0) return;
  // No room for it: the host works without.
  const file = openSync(paths.ballast, 'w', 0o600);
  ftruncateSync(file, 0);
  closeSync(file);
}
