/** LVM and XFS, by their own programs. Each change is safe to repeat. */
import { GROUP, type Content } from '../rules/facts.ts';
import type { Device } from './devices.ts';
import { run, type Ran, type RunOptions } from './programs.ts';

export const VOLUME = 'data';
export const LV_PATH = `/dev/${GROUP}/${VOLUME}`;

/** A host has no use for udev rules, a list of devices, or archives of its one group. */
const CONFIG = [
  'devices/use_devicesfile=0',
  'devices/scan_lvs=0',
  'activation/udev_sync=0',
  'activation/udev_rules=0',
  'activation/monitoring=0',
  'backup/archive=0',
  'global/use_lvmpolld=0',
].join(' ');

export const lvm = (command: string, args: readonly string[], options?: RunOptions): Promise<Ran> =>
  run('lvm', [command, ...args, '--config', CONFIG], options);

export class CommandFailed extends Error {}

export async function mustRun(ran: Promise<Ran>): Promise<string> {
  const { code, out, said } = await ran;
  if (code !== 0) throw new CommandFailed(said);
  return out;
}

interface PhysicalVolume {
  path: string;
  group: string;
}

async function physicalVolumes(options?: RunOptions): Promise<PhysicalVolume[]> {
  const out = await mustRun(
    lvm('pvs', ['--noheadings', '--separator', '|', '-o', 'pv_name,vg_name'], options),
  );
  return out.split('\n').flatMap((line) => {
    const [path = '', group = ''] = line.trim().split('|');
    return path === '' ? [] : [{ path, group }];
  });
}

/** What each NVMe disk holds. Partitions, file systems, and groups of others are foreign. */
export async function contentsOf(
  devices: readonly Device[],
  options?: RunOptions,
): Promise<Map<string, Content>> {
  const known = await physicalVolumes(options);
  const contents = new Map<string, Content>();
  for (const device of devices) {
    const { path } = device;
    const volume = known.find((one) => one.path === path);
    contents.set(
      path,
      volume ? { is: 'physical-volume', group: volume.group } : await probe(path, options),
    );
  }
  return contents;
}

/** blkid ends with 2 where it finds nothing. Any other end than 0 and 2 is not taken for blank. */
async function probe(path: string, options?: RunOptions): Promise<Content> {
  const { code, out, said } = await run('blkid', ['-p', '-o', 'export', path], options);
  if (code === 2) return { is: 'blank' };
  const found = /^(?:TYPE|PTTYPE)=(.+)$/m.exec(out)?.[1];
  return { is: 'foreign', signature: found ?? (code === 0 ? 'data' : said) };
}

/** Makes the device part of the group. */
export async function addDevice(path: string, options?: RunOptions): Promise<void> {
  const known = (await physicalVolumes(options)).find((one) => one.path === path);
  if (known?.group === GROUP) return;
  // Without -f: pvcreate itself refuses a device with a signature.
  if (known === undefined) await mustRun(lvm('pvcreate', ['--quiet', path], options));
  await mustRun(lvm('vgextend', [GROUP, path], options));
}

/** Gives the file system all that the group has. New parts are not striped. */
export async function growFileSystem(mountPoint: string, options?: RunOptions): Promise<void> {
  if ((await freeExtents(options)) > 0)
    await mustRun(lvm('lvextend', ['-i', '1', '-l', '+100%FREE', `${GROUP}/${VOLUME}`], options));
  await mustRun(run('xfs_growfs', [mountPoint], options));
}

async function freeExtents(options?: RunOptions): Promise<number> {
  const out = await mustRun(lvm('vgs', ['--noheadings', '-o', 'vg_free_count', GROUP], options));
  return Number(out.trim());
}

/** XFS leaves out a last part that is too small for it. */
const LEFT_OUT_BYTES = 8_388_608;

/** Whether the file system uses all that the group has. */
export async function isWhole(mountPoint: string, options?: RunOptions): Promise<boolean> {
  if ((await freeExtents(options)) > 0) return false;
  const size = ['--noheadings', '--nosuffix', '--units', 'b', '-o', 'lv_size'];
  const volumeBytes = Number(
    (await mustRun(lvm('lvs', [...size, `${GROUP}/${VOLUME}`], options))).trim(),
  );
  const geometry = await mustRun(run('xfs_growfs', ['-n', mountPoint], options));
  const [, blockBytes = 0, blocks = 0] =
    /^data +=.*bsize=(\d+) +blocks=(\d+)/m.exec(geometry) ?? [];
  return volumeBytes - Number(blockBytes) * Number(blocks) < LEFT_OUT_BYTES;
}

export const groupExists = async (): Promise<boolean> =>
  (await lvm('vgs', ['--noheadings', '-o', 'vg_name', GROUP])).code === 0;
