/** LVM and XFS, by their own programs, and by few of them. Each change is safe to repeat. */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { GROUP, type Content } from '../rules/facts.ts';
import { SECTOR, type Device } from './devices.ts';
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

/** All that the group says of itself, by one program. */
export interface Group {
  /** The group of each physical volume, by path; empty where it is in none. */
  volumes: ReadonlyMap<string, string>;
  freeExtents: number;
  /** Of the one logical volume, as the group has it written down. */
  volumeBytes: number;
}

const COLUMNS = 'pv_name,vg_name,vg_free_count,vg_extent_count,vg_extent_size';

export async function readGroup(options?: RunOptions): Promise<Group> {
  const units = ['--noheadings', '--nosuffix', '--units', 'b', '--separator', '|'];
  return parseGroup(await mustRun(lvm('pvs', [...units, '-o', COLUMNS], options)));
}

export function parseGroup(out: string): Group {
  const rows = out
    .split('\n')
    .map((line) => line.trim().split('|'))
    .filter(([path]) => path !== '');
  const [, , free = 0, extents = 0, extentBytes = 0] = (
    rows.find(([, group]) => group === GROUP) ?? []
  ).map(Number);
  return {
    volumes: new Map(rows.map(([path = '', group = '']) => [path, group])),
    freeExtents: free,
    volumeBytes: (extents - free) * extentBytes,
  };
}

interface Probed {
  content: Content;
  /** False: blkid failed, so that the content is taken for foreign. */
  isSure: boolean;
}

/** What a device holds that LVM does not know. blkid ends with 2 where it finds nothing. */
export async function probe(path: string, options?: RunOptions): Promise<Probed> {
  const { code, out, said } = await run('blkid', ['-p', '-o', 'export', path], options);
  if (code === 2) return { content: { is: 'blank' }, isSure: true };
  const found = /^(?:TYPE|PTTYPE)=(.+)$/m.exec(out)?.[1];
  const signature = found ?? (code === 0 ? 'data' : said);
  return { content: { is: 'foreign', signature }, isSure: code === 0 };
}

/** What each NVMe disk holds. Partitions, file systems, and groups of others are foreign. */
export async function contentsOf(
  devices: readonly Pick<Device, 'path'>[],
  { volumes }: Group,
  probed: (path: string) => Promise<Content>,
): Promise<Map<string, Content>> {
  const contents = new Map<string, Content>();
  for (const { path } of devices) {
    const group = volumes.get(path);
    contents.set(path, group === undefined ? await probed(path) : { is: 'physical-volume', group });
  }
  return contents;
}

/**
 * Makes the device part of the group. vgextend makes a physical volume of it, and as it has no -y, it
 * refuses a device with a signature.
 */
export async function addDevice(path: string, options?: RunOptions): Promise<void> {
  const ran = await lvm('vgextend', [GROUP, path], options);
  if (ran.code === 0 || (await readGroup(options)).volumes.get(path) === GROUP) return;
  throw new CommandFailed(ran.said);
}

/** Gives the file system all that the group has. New parts are not striped. */
export async function growFileSystem(
  mountPoint: string,
  { freeExtents, volumeBytes }: Group,
  options?: RunOptions,
): Promise<void> {
  const volume = `${GROUP}/${VOLUME}`;
  if (freeExtents > 0)
    await mustRun(lvm('lvextend', ['-i', '1', '-l', '+100%FREE', volume], options));
  // A command that was killed wrote the size down, and did not tell the kernel.
  else if (volumeBytes > kernelVolume().sizeBytes)
    await mustRun(lvm('lvchange', ['--refresh', volume], options));
  await mustRun(run('xfs_growfs', [mountPoint], options));
  await writeSuperblock(mountPoint, options);
}

/**
 * XFS writes its new size to the superblock later, and cannot mount the disk of a host that loses its power before. A
 * label is written at once, and the size with it (ADR 0047). Where xfs_io cannot do that, the disk has grown all the
 * same.
 */
const writeSuperblock = (mountPoint: string, options?: RunOptions): Promise<Ran> =>
  run('xfs_io', ['-c', `label -s ${GROUP}`, mountPoint], options);

/** XFS leaves out a last part that is too small for it. */
const LEFT_OUT_BYTES = 8_388_608;

/** Whether the file system uses all that the group has. */
export const isWhole = ({ freeExtents, volumeBytes }: Group, fileSystemBytes: number): boolean =>
  freeExtents === 0 && volumeBytes - fileSystemBytes < LEFT_OUT_BYTES;

/** Of the file system, what statfs leaves out: its own log. It never changes. */
export async function logBytes(
  mountPoint: string,
  statfsBytes: number,
  options?: RunOptions,
): Promise<number> {
  const geometry = await mustRun(run('xfs_growfs', ['-n', mountPoint], options));
  const [, blockBytes = 0, blocks = 0] =
    /^data +=.*bsize=(\d+) +blocks=(\d+)/m.exec(geometry) ?? [];
  return Math.max(0, Number(blockBytes) * Number(blocks) - statfsBytes);
}

interface KernelVolume {
  /** As in messages of the kernel; `undefined` where the volume is not active. */
  name: string | undefined;
  sizeBytes: number;
  /** What it is made of. */
  parts: string[];
}

/**
 * By its number: without udev, the path leads to a node of LVM's own, whose name the kernel does not
 * know.
 */
export function kernelVolume(path: string = LV_PATH, sys = '/sys'): KernelVolume {
  try {
    const { rdev } = statSync(path);
    const number = `${(rdev >> 8) & 0xf_ff}:${(rdev & 0xff) | ((rdev >> 12) & 0xf_ff_00)}`;
    const folder = realpathSync(join(sys, 'dev/block', number));
    return {
      name: basename(folder),
      sizeBytes: Number(readFileSync(join(folder, 'size'), 'utf8')) * SECTOR,
      parts: readdirSync(join(folder, 'slaves')),
    };
  } catch {
    return { name: undefined, sizeBytes: 0, parts: [] };
  }
}

export const groupExists = async (): Promise<boolean> =>
  (await lvm('vgs', ['--noheadings', '-o', 'vg_name', GROUP])).code === 0;
