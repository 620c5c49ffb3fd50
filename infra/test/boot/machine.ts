/** A virtual machine in QEMU, with a console in a file and a port on which it runs scripts of the test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { accelerator } from './accelerator.ts';

export interface Ran {
  code: number;
  out: string;
}

export interface Machine {
  /** Resolves when the next boot has come so far that scripts run. */
  nextBoot(): Promise<void>;
  /** Runs a script of bash in the machine. */
  ask(script: string): Promise<Ran>;
  /** The output of a script. @throws Error with the output if it fails */
  read(script: string): Promise<string>;
  /** As when the power goes and comes back: what the guest had not written is lost. */
  reset(): Promise<void>;
  console(): string;
  /** Resolves when the machine has switched itself off. */
  off: Promise<void>;
  stop(): Promise<void>;
}

export interface MachineFiles {
  /** `FOLDER/kernel` and `FOLDER/initrd`. */
  folder: string;
  disk: string;
  /** An empty one: the volume that the launch template adds. */
  volume: string;
}

/** Amazon Linux has no AppArmor. The rest is time that no test needs. */
const FASTER = 'apparmor=0 mitigations=off audit=0 systemd.show_status=0';
/** cloud-init takes a machine for EC2 only if both are the same and begin with ec2. */
const EC2_UUID = `ec2${randomUUID().slice(3)}`;

const argumentsOf = ({ folder, disk, volume }: MachineFiles): string[] => [
  ...accelerator(join(folder, 'kernel')),
  ...words('-machine q35 -smp 2 -m 2048 -nodefaults -display none'),
  ...words(`-smbios type=1,uuid=${EC2_UUID},serial=${EC2_UUID}`),
  ...words(`-kernel ${join(folder, 'kernel')} -initrd ${join(folder, 'initrd')}`),
  '-append',
  `root=/dev/nvme0n1p1 ro console=ttyS0 ${FASTER} systemd.journald.forward_to_console=1`,
  // EBS volumes are NVMe disks whose serial is their id.
  ...words(`-drive file=${disk},if=none,id=root,format=raw,cache=unsafe,discard=unmap`),
  ...words('-device nvme,drive=root,serial=vol0123456789abcdef0'),
  ...words(`-drive file=${volume},if=none,id=volume,format=raw,cache=unsafe,discard=unmap`),
  ...words('-device nvme,drive=volume,serial=vol0123456789abcdef1'),
  ...words('-netdev user,id=net -device virtio-net-pci,netdev=net'),
  ...words(`-serial file:${disk}.console`),
  ...words(`-chardev socket,id=probe,path=${disk}.probe,server=on,wait=off`),
  ...words('-device virtio-serial -device virtserialport,chardev=probe,name=probe'),
  ...words(`-qmp unix:${disk}.qmp,server=on,wait=off`),
];

/** The folder of the disk has no space in its path. */
const words = (text: string): string[] => text.split(' ');

/** QEMU makes the socket some time after it has started, and listens on it later still. */
async function connected(path: string, process: ChildProcess): Promise<Socket> {
  while (process.exitCode === null) {
    const socket = connect(path);
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    if (isOpen) return socket;
    await sleep(50);
  }
  throw new Error(`QEMU ended with exit code ${process.exitCode}.`);
}

export async function startMachine(files: MachineFiles): Promise<Machine> {
  const qemu = spawn(`qemu-system-${QEMU_NAME}`, argumentsOf(files), { stdio: 'inherit' });
  const off = once(qemu, 'exit').then(() => undefined);
  const probe = await connected(`${files.disk}.probe`, qemu);
  const monitor = await connected(`${files.disk}.qmp`, qemu);
  monitor.resume().write('{"execute":"qmp_capabilities"}\n');
  const conversation = converse(probe);
  const ask: Machine['ask'] = (script) =>
    Promise.race([
      conversation.ask(script),
      off.then(() => {
        throw new Error('The machine switched itself off.');
      }),
    ]);
  return {
    nextBoot: conversation.nextBoot,
    ask,
    async read(script) {
      const { code, out } = await ask(script);
      if (code !== 0) throw new Error(`Exit code ${code} of ${script}:\n${out}`);
      return out.trim();
    },
    async reset() {
      const boot = conversation.nextBoot();
      monitor.write('{"execute":"system_reset"}\n');
      await boot;
    },
    console: () => readFileSync(`${files.disk}.console`, 'utf8'),
    off,
    async stop() {
      qemu.kill('SIGKILL');
      await off;
    },
  };
}

const QEMU_NAME = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

type Said = { boot: string } | ({ id: number } & Ran);

function converse(probe: Socket): Pick<Machine, 'ask' | 'nextBoot'> {
  const answers = new Map<number, (ran: Ran) => void>();
  let booted = Promise.withResolvers<void>();
  let asked = 0;
  createInterface(probe).on('line', (line) => {
    const said = parse(line);
    if (said === undefined) return;
    if ('boot' in said) {
      booted.resolve();
      booted = Promise.withResolvers();
    } else answers.get(said.id)?.({ code: said.code, out: said.out });
  });
  return {
    nextBoot: () => booted.promise,
    ask(script) {
      const id = (asked += 1);
      const { promise, resolve } = Promise.withResolvers<Ran>();
      answers.set(id, resolve);
      probe.write(`${JSON.stringify({ id, script })}\n`);
      return promise;
    },
  };
}

/** A reset may cut a line. */
function parse(line: string): Said | undefined {
  try {
    return JSON.parse(line) as Said;
  } catch {
    return undefined;
  }
}
