/** A virtual machine in QEMU, with a console in a file and a port on which it runs scripts of the test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { accelerator } from './accelerator.ts';
import { connected, monitorOf, type Monitor } from './monitor.ts';

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
  /** Resolves as `nextBoot` does. */
  reboot(): Promise<void>;
  /** As when the power goes and comes back: what the guest had not written is lost. */
  cutPower(): Promise<void>;
  /** An empty NVMe disk appears, until the next boot. */
  plug(serial: string, bytes: number): Promise<void>;
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
  ...words('-machine q35 -smp 2 -m 2048 -nodefaults -display none -no-reboot'),
  ...words(`-smbios type=1,uuid=${EC2_UUID},serial=${EC2_UUID}`),
  ...words(`-kernel ${join(folder, 'kernel')}`),
  '-append',
  `root=/dev/nvme0n1p1 rootwait ro console=ttyS0 ${FASTER}`,
  // EBS volumes are NVMe disks whose serial is their id.
  ...words(`-drive file=${disk},if=none,id=root,format=raw,cache=unsafe,discard=unmap`),
  ...words('-device nvme,drive=root,serial=vol0123456789abcdef0'),
  ...words(`-drive file=${volume},if=none,id=volume,format=raw,cache=unsafe,discard=unmap`),
  ...words('-device nvme,drive=volume,serial=vol0123456789abcdef1'),
  ...words('-netdev user,id=net -device virtio-net-pci,netdev=net'),
  ...words(`-chardev file,id=console,path=${disk}.console,append=on -serial chardev:console`),
  ...words(`-chardev socket,id=probe,path=${disk}.probe,server=on,wait=off`),
  ...words('-device virtio-serial -device virtserialport,chardev=probe,name=probe'),
  ...words(`-qmp unix:${disk}.qmp,server=on,wait=off`),
  ...Array.from({ length: PORTS }, (_, at) =>
    words(`-device pcie-root-port,id=port${at},chassis=${at + 1},slot=${at + 1}`),
  ).flat(),
];

/** For disks that come while it runs. */
const PORTS = 2;
/** Disks of a test need not outlive this computer. */
const UNSAFE = { cache: { 'no-flush': true, direct: false }, discard: 'unmap' };

/** The folder of the disk has no space in its path. */
const words = (text: string): string[] => text.split(' ');

/** One QEMU from its start to its end. */
interface Power {
  qemu: ChildProcess;
  probe: Socket;
  monitor: Monitor;
  exited: Promise<unknown>;
  /** Disks that came while it ran. */
  plugged: number;
  /** What is to follow its end. */
  next: 'boot' | 'off';
}

async function powerOn(files: MachineFiles): Promise<Power> {
  for (const socket of ['probe', 'qmp']) rmSync(`${files.disk}.${socket}`, { force: true });
  const qemu = spawn('qemu-system-x86_64', argumentsOf(files), { stdio: 'inherit' });
  const exited = once(qemu, 'exit');
  const probe = await connected(`${files.disk}.probe`, qemu);
  const monitor = await monitorOf(
    await connected(`${files.disk}.qmp`, qemu),
    (event, { reason }) => {
      if (event === 'SHUTDOWN' && reason === 'guest-reset') power.next = 'boot';
    },
  );
  const power: Power = { qemu, probe, monitor, exited, plugged: 0, next: 'off' };
  return power;
}

/**
 * A reboot and a power cut are a new QEMU with the same disks. A reset within one that translates leaves
 * its translations behind: the kernel of the second boot then cleared 15 bytes a second of pages that
 * had held code (QEMU 7.2).
 */
export async function startMachine(files: MachineFiles): Promise<Machine> {
  const conversation = converse();
  let power = await powerOn(files);
  const live = async (): Promise<void> => {
    for (;;) {
      conversation.talkTo(power.probe);
      await power.exited;
      if (power.next === 'off') return;
      power = await powerOn(files);
    }
  };
  const off = live();
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
    async reboot() {
      const boot = conversation.nextBoot();
      void conversation.ask('systemctl reboot');
      await boot;
    },
    async cutPower() {
      const boot = conversation.nextBoot();
      power.next = 'boot';
      power.qemu.kill('SIGKILL');
      await boot;
    },
    async plug(serial, bytes) {
      const port = power.plugged;
      power.plugged += 1;
      if (port >= PORTS) throw new Error('The machine has no free port.');
      const filename = `${files.disk}.${serial}`;
      closeSync(openSync(filename, 'w'));
      truncateSync(filename, bytes);
      const file = { driver: 'file', filename, ...UNSAFE };
      await power.monitor('blockdev-add', { 'node-name': serial, driver: 'raw', file });
      const disk = { driver: 'nvme', id: `nvme-${serial}`, serial, drive: serial };
      await power.monitor('device_add', { ...disk, bus: `port${port}` });
    },
    console: () => readFileSync(`${files.disk}.console`, 'utf8'),
    off,
    async stop() {
      power.qemu.kill('SIGKILL');
      await off;
    },
  };
}

type Said = { boot: string } | ({ id: number } & Ran);

interface Conversation extends Pick<Machine, 'ask' | 'nextBoot'> {
  /** With the port of a machine that starts. */
  talkTo(port: Socket): void;
}

function converse(): Conversation {
  let probe: Socket | undefined;
  const answers = new Map<number, (ran: Ran) => void>();
  let booted = Promise.withResolvers<void>();
  let asked = 0;
  const hear = (line: string): void => {
    const said = parse(line);
    if (said === undefined) return;
    if ('boot' in said) {
      booted.resolve();
      booted = Promise.withResolvers();
    } else answers.get(said.id)?.({ code: said.code, out: said.out });
  };
  return {
    talkTo(port) {
      probe = port;
      createInterface(port).on('line', hear);
    },
    nextBoot: () => booted.promise,
    ask(script) {
      const id = (asked += 1);
      const { promise, resolve } = Promise.withResolvers<Ran>();
      answers.set(id, resolve);
      probe?.write(`${JSON.stringify({ id, script })}\n`);
      return promise;
    },
  };
}

/** A power cut may cut a line. */
function parse(line: string): Said | undefined {
  try {
    return JSON.parse(line) as Said;
  } catch {
    return undefined;
  }
}
