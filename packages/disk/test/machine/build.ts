/** The kernel, the initramfs, and the root volume of the test machine, from what Debian has. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleDisk } from '../../bundle.ts';

const PROGRAMS = [
  'lvm',
  'dmsetup',
  'mkfs.xfs',
  'xfs_growfs',
  'xfs_io',
  'xfs_repair',
  'blkid',
  'flock',
  'mount',
  'cmp',
];
const MODULES = [
  'nvme',
  'xfs',
  'dm-mod',
  'dm-delay',
  'virtio_pci',
  'virtio_net',
  'virtio_console',
  'crc32c_generic',
];
const ROOT_BYTES = 1_073_741_824;

export interface MachineFiles {
  kernel: string;
  initramfs: string;
  rootVolume: string;
}

const shell = (script: string, cwd?: string): void => {
  execFileSync('sh', ['-ec', script], { stdio: ['ignore', 'inherit', 'inherit'], cwd });
};

/** Why the tests cannot run here; `undefined` where they can. */
export function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'It needs root, to make the root volume of the machine.';
  const missing = ['qemu-system-x86_64', 'busybox', 'cpio', ...PROGRAMS].filter(
    (program) => program !== 'cpio' && spawnSync('which', [program]).status !== 0,
  );
  return missing.length === 0
    ? undefined
    : `It needs ${missing.join(', ')}. On Debian: apt-get install qemu-system-x86 busybox-static lvm2 xfsprogs.`;
}

export async function buildMachine(folder: string): Promise<MachineFiles> {
  mkdirSync(folder, { recursive: true });
  const system = join(folder, 'kernel');
  if (!existsSync(system))
    shell(
      `apt-get download -qq $(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2 }')
       dpkg-deb -x linux-image-*.deb kernel.new && mv kernel.new kernel`,
      folder,
    );
  const version = readdirSync(join(system, 'lib/modules'))[0] ?? '';
  return {
    kernel: join(system, 'boot', `vmlinuz-${version}`),
    initramfs: buildInitramfs(folder, join(system, 'lib/modules', version), version),
    rootVolume: await buildRootVolume(folder),
  };
}

function buildInitramfs(folder: string, modules: string, version: string): string {
  const root = join(folder, 'initramfs');
  rmSync(root, { recursive: true, force: true });
  for (const name of [
    'bin',
    'sbin',
    'usr/sbin',
    'usr/bin',
    'proc',
    'sys',
    'dev',
    'etc',
    'tmp',
    'run',
  ])
    mkdirSync(join(root, name), { recursive: true });
  const busybox = realpathSync(String(execFileSync('which', ['busybox'])).trim());
  copyFileSync(busybox, join(root, 'bin/busybox'));
  for (const applet of String(execFileSync(busybox, ['--list']))
    .trim()
    .split('\n'))
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  for (const program of PROGRAMS) copyProgram(program, root);
  writeFileSync(
    join(root, 'bin/systemctl'),
    '#!/bin/sh\necho "systemctl $*" >>/root-volume/state/systemctl\n',
    { mode: 0o755 },
  );
  copyModules(modules, join(root, 'lib/modules', version));
  copyFileSync(fileURLToPath(new URL('guest-init', import.meta.url)), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);
  const image = join(folder, 'initramfs.cpio');
  shell(`find . | busybox cpio -o -H newc >${image} 2>/dev/null`, root);
  return image;
}

/** With the libraries that ldd names, and its loader. */
function copyProgram(program: string, root: string): void {
  const path = String(execFileSync('which', [program])).trim();
  const target = join(root, 'sbin', program);
  rmSync(join(root, 'bin', program), { force: true });
  copyFileSync(realpathSync(path), target);
  for (const [, library = ''] of String(execFileSync('ldd', [path])).matchAll(/(\/\S+\.so\S*)/g)) {
    mkdirSync(dirname(join(root, library)), { recursive: true });
    if (!existsSync(join(root, library))) copyFileSync(realpathSync(library), join(root, library));
  }
}

function copyModules(from: string, to: string): void {
  const lines = new Map<string, string[]>();
  mkdirSync(to, { recursive: true });
  const modules = String(execFileSync('find', [from, '-name', '*.ko']))
    .trim()
    .split('\n');
  const nameOf = (path: string): string => path.replace(/^.*\/|\.ko$/g, '').replaceAll('-', '_');
  const byName = new Map(modules.map((path) => [nameOf(path), path]));
  const take = (name: string): void => {
    const path = byName.get(name.replaceAll('-', '_'));
    if (path === undefined || lines.has(path)) return;
    const info = readFileSync(path, 'latin1');
    const needs = (/\0depends=([^\0]*)\0/.exec(info)?.[1] ?? '').split(',').filter(Boolean);
    const soft = [...info.matchAll(/\0softdep=pre: ([^\0]*)\0/g)].flatMap(([, one = '']) =>
      one.split(' '),
    );
    lines.set(path, needs);
    for (const need of [...needs, ...soft]) take(need);
    const target = join(to, path.slice(from.length + 1));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
  };
  for (const name of MODULES) take(name);
  const relative = (name: string): string =>
    (byName.get(name.replaceAll('-', '_')) ?? '').slice(from.length + 1);
  // Deepest first; modprobe loads them from the end of the line.
  const loadOrder = (needs: string[]): string[] =>
    needs.flatMap((need) => {
      const path = byName.get(need.replaceAll('-', '_'));
      return path === undefined ? [] : [...loadOrder(lines.get(path) ?? []), relative(need)];
    });
  writeFileSync(
    join(to, 'modules.dep'),
    [...lines]
      .map(
        ([path, needs]) =>
          `${path.slice(from.length + 1)}: ${[...new Set(loadOrder(needs))].toReversed().join(' ')}\n`,
      )
      .join(''),
  );
}

/** Node and the daemon, as the host release has them. */
async function buildRootVolume(folder: string): Promise<string> {
  const image = join(folder, 'root.img');
  const staged = join(folder, 'root');
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(join(staged, 'batchwell/lib'), { recursive: true });
  mkdirSync(join(staged, 'batchwell/bin'));
  copyFileSync(realpathSync(process.execPath), join(staged, 'batchwell/bin/node'));
  const libraries = String(execFileSync('ldd', [process.execPath]));
  for (const [, library = ''] of libraries.matchAll(/=> (\/\S+)/g))
    copyFileSync(
      realpathSync(library),
      join(staged, 'batchwell/lib', library.replace(/^.*\//, '')),
    );
  const loader = /^\s*(\/\S*\/ld-\S+)/m.exec(libraries)?.[1] ?? '';
  copyFileSync(realpathSync(loader), join(staged, 'batchwell/lib/ld.so'));
  await bundleDisk(join(staged, 'batchwell/disk.mjs'));
  mkdirSync(join(staged, 'batchwell/host'));
  writeFileSync(
    join(staged, 'batchwell/host/batchwell-disk'),
    '#!/bin/sh\nf=/opt/batchwell\nexec $f/lib/ld.so --library-path $f/lib $f/bin/node --optimize-for-size --max-semi-space-size=1 $f/disk.mjs "$@"\n',
    { mode: 0o755 },
  );
  rmSync(image, { force: true });
  writeFileSync(image, '');
  truncateSync(image, ROOT_BYTES);
  shell(
    `mkfs.xfs -q ${image}; mkdir -p mounted; mount -o loop ${image} mounted
     cp -a root/. mounted/; umount mounted`,
    folder,
  );
  return image;
}
