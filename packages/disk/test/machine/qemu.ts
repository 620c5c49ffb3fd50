/** The test machine: QEMU with a port for scripts, and disks that come and go while it runs. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MachineFiles } from './build.ts';

interface Ran {
  code: number;
  out: string;
}

interface PlugOptions {
  fill?: (file: string) => void;
  slowly?: boolean;
  /** Writes to it fail, behind its first 64 MiB. */
  errs?: boolean;
}

export interface Qemu {
  ask(script: string): Promise<Ran>;
  /** @throws Error where it fails */
  must(script: string): Promise<string>;
  /** What the machine says by itself, line by line. */
  onLine(listener: (line: string) => void): void;
  /** `fill` writes to its image before the machine sees it; `slowly`: 4 MiB/s. */
  plug(serial: string, bytes: number, more?: PlugOptions): Promise<void>;
  imageOf(serial: string): string;
  unplug(serial: string): Promise<void>;
  /** The power goes and comes back. */
  reset(): Promise<void>;
  /** Of the host's CPU, since the start: what a busy host does not change. */
  cpuMs(): number;
  boots: number;
  stop(): Promise<void>;
}

const PORTS = 24;
const BOOT_MS = 240_000;
/** Of a script; the longest ones compare files. */
const ANSWER_MS = 300_000;
const SECTORS_PER_MIB = 2_048;

/** What LVM writes at the start of a device is spared; of data, nothing of two MiB is. */
const FAILING_WRITES = Array.from({ length: 400 }, (_, at) => ({
  event: 'none',
  iotype: 'write',
  errno: 5,
  sector: (64 + 2 * at) * SECTORS_PER_MIB,
  once: false,
}));

const words = (text: string): string[] => text.split(' ');

function argumentsOf({ kernel, initramfs, rootVolume }: MachineFiles, folder: string): string[] {
  const ports = Array.from({ length: PORTS }, (_, at) => [
    '-device',
    `pcie-root-port,id=port${at},chassis=${at + 1},slot=${at + 1}`,
  ]).flat();
  return [
    ...words(
      '-machine q35 -accel tcg,thread=multi,tb-size=256 -cpu Nehalem -smp 2 -m 1024 -nodefaults -display none',
    ),
    ...words(`-kernel ${kernel} -initrd ${initramfs}`),
    '-append',
    'console=ttyS0 panic=-1 mitigations=off quiet printk.devkmsg=on',
    ...words(`-drive file=${rootVolume},if=none,id=root,format=raw,cache=writeback`),
    ...words('-device nvme,drive=root,serial=root'),
    ...words('-netdev user,id=net -device virtio-net-pci,netdev=net'),
    ...words(`-serial file:${join(folder, 'console')}`),
    // Not a second serial port: on a busy host its input stalled now and then.
    ...words('-device virtio-serial'),
    ...['port', 'log'].flatMap((name) => [
      ...words(`-chardev socket,id=${name},path=${join(folder, name)},server=on,wait=off`),
      ...words(`-device virtserialport,chardev=${name},name=${name}`),
    ]),
    ...words('-object throttle-group,id=fast -object throttle-group,id=slow,x-bps-total=4194304'),
    ...words(`-qmp unix:${join(folder, 'qmp')},server=on,wait=off`),
    ...ports,
  ];
}

async function connected(path: string, child: ChildProcess): Promise<Socket> {
  while (child.exitCode === null) {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      await sleep(100);
    }
  }
  throw new Error(`QEMU ended with exit code ${child.exitCode}.`);
}

export async function startQemu(files: MachineFiles, folder: string): Promise<Qemu> {
  for (const name of ['port', 'log', 'qmp']) rmSync(join(folder, name), { force: true });
  // In a session of its own: the kernel shares the CPU by sessions.
  const child = spawn('qemu-system-x86_64', argumentsOf(files, folder), {
    stdio: 'inherit',
    detached: true,
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const monitor = await monitorOf(await connected(join(folder, 'qmp'), child));
  const said = createInterface(await connected(join(folder, 'log'), child));
  const port = portOf(await connected(join(folder, 'port'), child));
  const slots = new Map<string, number>();
  const qemu: Qemu = {
    boots: 1,
    ask: port.ask,
    onLine: (listener) => void said.removeAllListeners('line').on('line', listener),
    must: async (script) => {
      const { code, out } = await port.ask(script);
      if (code !== 0) throw new Error(`Exit code ${code} of ${script}:\n${out}`);
      return out.trim();
    },
    imageOf: (serial) => join(folder, `${serial}.img`),
    plug: async (serial, bytes, { fill, slowly = false, errs = false } = {}) => {
      const file = join(folder, `${serial}.img`);
      closeSync(openSync(file, 'w'));
      truncateSync(file, bytes);
      fill?.(file);
      const taken = new Set(slots.values());
      const slot = Array.from({ length: PORTS }, (_, at) => at).find((at) => !taken.has(at));
      if (slot === undefined) throw new Error('The machine has no free slot.');
      slots.set(serial, slot);
      const raw = { driver: 'raw', file: { driver: 'file', filename: file } };
      await monitor('blockdev-add', {
        'node-name': serial,
        driver: 'throttle',
        'throttle-group': slowly ? 'slow' : 'fast',
        file: errs ? { driver: 'blkdebug', image: raw, 'inject-error': FAILING_WRITES } : raw,
      });
      await monitor('device_add', {
        driver: 'nvme',
        id: `nvme-${serial}`,
        serial,
        drive: serial,
        bus: `port${slot}`,
      });
    },
    unplug: async (serial) => {
      if (!slots.has(serial)) return;
      const gone = monitor.deleted(`nvme-${serial}`);
      await monitor('device_del', { id: `nvme-${serial}` });
      await gone;
      slots.delete(serial);
      await monitor('blockdev-del', { 'node-name': serial });
      rmSync(join(folder, `${serial}.img`), { force: true });
    },
    reset: async () => {
      const boot = port.boot();
      await monitor('system_reset', {});
      qemu.boots += 1;
      await boot;
    },
    cpuMs: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').replace(/^.*\) /, '');
      const [user = 0, system = 0] = fields.split(' ').slice(11, 13).map(Number);
      return (user + system) * 10;
    },
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
  await port.boot();
  return qemu;
}

type Monitor = ((command: string, given: object) => Promise<void>) & {
  deleted(id: string): Promise<void>;
};

async function monitorOf(socket: Socket): Promise<Monitor> {
  const answers: PromiseWithResolvers<void>[] = [];
  const deleted = new Map<string, PromiseWithResolvers<void>>();
  createInterface(socket).on('line', (line) => {
    const said = JSON.parse(line) as {
      return?: object;
      error?: { desc: string };
      event?: string;
      data?: { device?: string };
    };
    if (said.event === 'DEVICE_DELETED') deleted.get(said.data?.device ?? '')?.resolve();
    if (said.return) answers.shift()?.resolve();
    if (said.error) answers.shift()?.reject(new Error(said.error.desc));
  });
  const send = (command: string, given: object): Promise<void> => {
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    socket.write(`${JSON.stringify({ execute: command, arguments: given })}\n`);
    return answer.promise;
  };
  await send('qmp_capabilities', {});
  return Object.assign(send, {
    deleted: (id: string): Promise<void> => {
      const event = Promise.withResolvers<void>();
      deleted.set(id, event);
      return event.promise;
    },
  });
}

function portOf(socket: Socket): { ask: Qemu['ask']; boot(): Promise<void> } {
  const answers = new Map<string, (ran: Ran) => void>();
  let booted = Promise.withResolvers<void>();
  let asked = 0;
  createInterface(socket).on('line', (line) => {
    if (line.includes('BOOT')) {
      booted.resolve();
      booted = Promise.withResolvers();
      return;
    }
    const [id = '', code = '', out = ''] = line.trim().split(' ');
    answers.get(id)?.({ code: Number(code), out: Buffer.from(out, 'base64').toString() });
    answers.delete(id);
  });
  return {
    ask: (script) => {
      const id = `a${(asked += 1)}`;
      const answer = Promise.withResolvers<Ran>();
      answers.set(id, answer.resolve);
      const late = sleep(ANSWER_MS, undefined, { ref: false }).then(() => {
        throw new Error(
          `The machine did not end in ${ANSWER_MS / 1000} s: ${script.slice(0, 200)}`,
        );
      });
      socket.write(`${id} ${Buffer.from(script).toString('base64')}\n`);
      return Promise.race([answer.promise, late]);
    },
    boot: () => {
      const { promise } = booted;
      const late = sleep(BOOT_MS, undefined, { ref: false }).then(() => {
        throw new Error(`The machine did not start in ${BOOT_MS / 1000} s.`);
      });
      return Promise.race([promise, late]);
    },
  };
}
