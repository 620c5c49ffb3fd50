/** The host and EC2 as they are. */
import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { performEc2, type Ec2Client, type Owner } from '../ec2/requests.ts';
import type { Facts } from '../rules/facts.ts';
import type { Machine, Slow } from '../machine.ts';
import { nvmeDevices } from './devices.ts';
import type { KernelLog } from './kernel-log.ts';
import { writeJournal } from './journal-file.ts';
import { blockLayer } from './block-layer.ts';
import { crashPoint } from './crash-point.ts';
import { fileSystemAt } from './file-system.ts';
import { kernelVolume } from './lvm.ts';
import { run } from './programs.ts';
import { paths } from './paths.ts';
import type { Reporter } from './report.ts';

export interface Parts {
  client: Ec2Client;
  owner: Owner;
  log: KernelLog;
  reporter: Reporter;
  lockFd: number;
  /** Something that took time has ended. */
  onSettled: () => void;
}

export function realMachine(parts: Parts): Machine {
  const { client, owner, log, reporter, onSettled } = parts;
  const block = blockLayer(parts.lockFd);
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
      const crash = crashPoint(journal);
      crash('before');
      writeJournal(paths.journal, journal);
      crash('after');
    },
    setFrozen: (isFrozen) => freeze(isFrozen),
    releaseBallast: () => rmSync(paths.ballast, { force: true }),
    endHost: (reason) => void endHost(reason),
    ask: (action, growth) => slow(performEc2(client, action, growth, owner), onSettled),
    run: (action) => slow(block(action), onSettled),
    chance: () => Math.random(),
    token: () => randomUUID(),
    report: (event) => reporter.event(event),
  };
}

function slow<T>(promise: Promise<T>, onSettled: () => void): Slow<T> {
  let result: { value: T } | undefined;
  const wait = async (): Promise<void> => {
    result = { value: await promise };
    onSettled();
  };
  void wait();
  return { settled: () => result?.value };
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
  const { name, parts } = kernelVolume();
  return name === undefined ? [] : [name, ...parts];
}

/** The tasks stop first: none may report a success with what it could not write. */
async function endHost(reason: string): Promise<void> {
  freeze(true);
  writeFileSync(paths.reason, `${reason}\n`);
  await run('systemctl', ['stop', '--no-block', 'ecs.service']);
  await run('systemctl', ['start', '--no-block', 'batchwell-give-up.service']);
}
