/** The host and EC2 as they are. */
import { randomUUID } from 'node:crypto';
import {
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { performEc2, type Ec2Client, type Owner } from '../ec2/requests.ts';
import type { BlockAction } from '../rules/action.ts';
import type { Facts, FileSystem } from '../rules/facts.ts';
import type { Journal } from '../rules/journal.ts';
import { keyOf } from '../daemon.ts';
import type { BlockResult, Inspection, Machine, Slow } from '../machine.ts';
import { nvmeDevices } from './devices.ts';
import type { KernelLog } from './kernel-log.ts';
import { writeJournal } from './journal-file.ts';
import { addDevice, CommandFailed, contentsOf, growFileSystem, isWhole, LV_PATH } from './lvm.ts';
import { run, type RunOptions } from './programs.ts';
import { paths } from './paths.ts';
import type { Reporter } from './report.ts';

export interface Parts {
  client: Ec2Client;
  owner: Owner;
  log: KernelLog;
  reporter: Reporter;
  lockFd: number;
}

/** LVM waits for devices; a device that hangs must not hold the daemon for ever. */
const COMMAND_MS = 60_000;

export function realMachine({ client, owner, log, reporter, lockFd }: Parts): Machine {
  const options: RunOptions = { lockFd, deadlineMs: COMMAND_MS };
  return {
    instanceId: owner.instanceId,
    zone: owner.zone,
    glance: (withDevices) => ({
      fileSystem: fileSystemAt(paths.mount),
      tasks: tasksAt(paths.tasks),
      rootFreeBytes: fileSystemAt('/').freeBytes,
      hasBallast: statSync(paths.ballast, { throwIfNoEntry: false }) !== undefined,
      ioError: log.errorAbout(partsOfDisk()),
      ...(withDevices && { devices: nvmeDevices() }),
    }),
    save: (journal) => {
      writeJournal(paths.journal, journal);
      crashPoint(journal);
    },
    setFrozen: (isFrozen) => freeze(isFrozen),
    releaseBallast: () => rmSync(paths.ballast, { force: true }),
    endHost: (reason) => void endHost(reason),
    ask: (action, growth) => slow(performEc2(client, action, growth, owner)),
    run: (action) => slow(runBlock(action, options)),
    chance: () => Math.random(),
    token: () => randomUUID(),
    report: (event) => reporter.event(event),
  };
}

/** Tests stop a daemon when its journal says so: `created:SIGKILL`. */
function crashPoint({ growth }: Journal): void {
  const [at, signal] = (process.env['BATCHWELL_DISK_CRASH'] ?? '').split(':');
  if (growth !== null && growth.at === at) process.kill(process.pid, signal);
}

function slow<T>(promise: Promise<T>): Slow<T> {
  let result: { value: T } | undefined;
  const wait = async (): Promise<void> => {
    result = { value: await promise };
  };
  void wait();
  return { settled: () => result?.value };
}

export function fileSystemAt(path: string): FileSystem {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
  return {
    sizeBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    inodes: files,
    freeInodes: ffree,
  };
}

export function tasksAt(path: string): Facts['tasks'] {
  try {
    return readFileSync(path, 'latin1').startsWith('1') ? 'frozen' : 'running';
  } catch {
    return 'missing';
  }
}

function freeze(isFrozen: boolean): void {
  try {
    writeFileSync(paths.tasks, isFrozen ? '1' : '0');
  } catch {
    // Missing: the next look says so.
  }
}

/** Names as the kernel says them: the device of the file system, and all that is below it. */
function partsOfDisk(): string[] {
  try {
    const name = basename(readlinkSync(LV_PATH));
    return [name, ...readdirSync(`/sys/block/${name}/slaves`)];
  } catch {
    return [];
  }
}

async function runBlock(action: BlockAction, options: RunOptions): Promise<BlockResult> {
  try {
    if (action.do === 'inspect')
      return { outcome: { is: 'done' }, inspection: await inspect(options) };
    if (action.do === 'add') await addDevice(action.device, options);
    else await growFileSystem(paths.mount, options);
    return { outcome: { is: 'done' } };
  } catch (error) {
    const sentence = error instanceof CommandFailed ? error.message : String(error);
    return { outcome: { is: 'failed', sentence } };
  }
}

async function inspect(options: RunOptions): Promise<Inspection> {
  const devices = nvmeDevices();
  const contents = await contentsOf(devices, options);
  return {
    contents: new Map(
      devices.flatMap((device) => {
        const content = contents.get(device.path);
        return content ? [[keyOf(device), content] as const] : [];
      }),
    ),
    isFileSystemWhole: await isWhole(paths.mount, options),
  };
}

/** The tasks stop first: none may report a success with what it could not write. */
async function endHost(reason: string): Promise<void> {
  freeze(true);
  writeFileSync(paths.reason, `${reason}\n`);
  await run('systemctl', ['stop', '--no-block', 'ecs.service']);
  await run('systemctl', ['start', '--no-block', 'batchwell-give-up.service']);
}
