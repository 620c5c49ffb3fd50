/** One disk in the machine, with a played EC2 and a writer. Cases grow it one after the other. */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiskEvent } from '../../rules/events.ts';
import { serialOf } from '../../rules/facts.ts';
import { GIB } from '../../rules/policy.ts';
import { dice, type Dice } from '../world/dice.ts';
import { serveEc2, type Ec2Server } from '../world/ec2-server.ts';
import { noFaults, PlayedEc2, type Ec2Faults } from '../world/played-ec2.ts';
import {
  CLEAN_UP,
  DAEMON_PID,
  END_ALL,
  FORGET_ERRORS,
  verifying,
  writer,
  STATE,
} from './guest-scripts.ts';
import type { Qemu } from './qemu.ts';

const INSTANCE = {
  instanceId: 'i-0a',
  zone: 'eu-west-1a',
  region: 'eu-west-1',
  tags: { Lab: 'ü' },
};
const DISK = '/opt/batchwell/host/batchwell-disk';
const FIRST_GIB = 1;
/** What is left when a case begins: 87 % is used, and a daemon has time to start on a busy host. */
const LEFT_SHARE = 0.13;
const BEYOND_MIB = 400;

/** `cpuMs`: of the machine, so far. */
export type Logged = { atMs: number; cpuMs: number; event: string } & DiskEvent['fields'];

/** What a case grows under. */
export interface Round {
  seed: number;
  faults?: Partial<Ec2Faults>;
  plug?: Parameters<Qemu['plug']>[2];
  leftMiB?: number;
}

export class Bench {
  readonly qemu: Qemu;
  readonly violations: string[] = [];
  ec2: PlayedEc2;
  server: Ec2Server | undefined;
  /** Of the file system, with all volumes. */
  sizeGiB = FIRST_GIB;
  /** What the daemon said since it was started last. */
  events: Logged[] = [];
  hasDisk = false;
  #dice: Dice = dice(1);
  #plug: Round['plug'];
  #leftMiB = 0;
  #plugged = new Set<string>();
  #isPlugging = false;
  #timer: NodeJS.Timeout | undefined;
  #heard = Promise.withResolvers<void>();
  readonly #log: string;

  constructor(qemu: Qemu, log: string) {
    this.qemu = qemu;
    this.#log = log;
    this.ec2 = this.#newEc2();
    qemu.onLine((line) => this.#hear(line));
  }

  #newEc2(): PlayedEc2 {
    const current: Dice = {
      roll: () => this.#dice.roll(),
      is: (probability) => this.#dice.is(probability),
      between: (least, most) => this.#dice.between(least, most),
    };
    return new PlayedEc2(Date.now, current, noFaults, (sentence) => this.violations.push(sentence));
  }

  #hear(line: string): void {
    this.note(line);
    const at = { atMs: Date.now(), cpuMs: this.qemu.cpuMs() };
    try {
      this.events.push({ ...(JSON.parse(line) as Logged), ...at });
    } catch {
      this.events.push({ ...at, event: line });
    }
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  note(line: string): void {
    appendFileSync(this.#log, `${new Date().toISOString()} ${line}\n`);
  }

  /** A fresh disk, with a writer, and without the daemon. */
  async begin(): Promise<void> {
    this.hasDisk = true;
    this.violations.length = 0;
    this.events = [];
    this.sizeGiB = FIRST_GIB;
    this.ec2 = this.#newEc2();
    this.server = await serveEc2(this.ec2.client(), INSTANCE);
    await this.qemu.plug('first', FIRST_GIB * GIB);
    await this.until('The first volume', 'grep -q first /sys/block/nvme*/device/serial');
    await this.setUp();
    this.#timer = setInterval(() => void this.#follow(), 100);
    await this.startWriter();
  }

  async setUp(): Promise<void> {
    await this.qemu.must(`${this.#settings()} ${DISK} set-up`);
  }

  /** The disk is nearly full: a daemon that starts now must grow it. */
  async round({
    seed,
    faults,
    plug,
    leftMiB = Math.floor(this.sizeGiB * 1024 * LEFT_SHARE),
  }: Round): Promise<void> {
    this.#dice = dice(seed + 1);
    this.#plug = plug;
    this.#leftMiB = leftMiB;
    this.ec2.faults = { ...noFaults, ...faults };
    await this.qemu.must(`cd /var/lib/docker
set -- $(stat -f -c '%a %S' .)
fallocate -l $(($1 * $2 / 1048576 - ${leftMiB}))M filler${this.sizeGiB}`);
  }

  #settings(more: Record<string, string> = {}): string {
    const url = `http://10.0.2.2:${new URL(this.server?.url ?? '').port}`;
    const settings = {
      DISK_MODE: 'elastic',
      DISK_GIB: String(FIRST_GIB),
      DISK_GROWTH_GIB: '1',
      DISK_BRAKE_MIB: '64',
      DISK_MAX_GIB: String(this.sizeGiB + 1),
      STACK: 'batchwell',
      REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_EC2: url,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      ...more,
    };
    return Object.entries(settings)
      .map(([name, value]) => `${name}='${value}'`)
      .join(' ');
  }

  /** Disks come and go as EC2 says. */
  async #follow(): Promise<void> {
    if (this.#isPlugging) return;
    this.#isPlugging = true;
    try {
      for (const { volumeId, sizeGiB, attachment } of this.ec2.volumes.values()) {
        const serial = serialOf(volumeId);
        const isThere =
          attachment !== null &&
          attachment.appearsAtMs !== null &&
          attachment.appearsAtMs <= Date.now();
        if (isThere && !this.#plugged.has(serial)) {
          this.#plugged.add(serial);
          await this.qemu.plug(serial, sizeGiB * GIB, this.#plug);
        } else if (attachment === null && this.#plugged.has(serial)) {
          await this.qemu.unplug(serial);
          this.#plugged.delete(serial);
        }
      }
    } finally {
      this.#isPlugging = false;
    }
  }

  /** As systemd does, it starts a daemon again that found the lock taken. */
  async startDaemon(more: Record<string, string> = {}): Promise<void> {
    this.events = [];
    await this.qemu.must(`(export ${this.#settings(more)}
code=75
while [ $code = 75 ]; do sh -c 'echo $$ >${DAEMON_PID}; exec ${DISK} run'; code=$?; done
echo '{"event":"ended"}') >&4 2>&1 </dev/null &`);
  }

  async stopDaemon(signal = 'TERM'): Promise<void> {
    await this.qemu.ask(`kill -${signal} $(cat ${DAEMON_PID})`);
    await this.event('ended');
  }

  /** Writes files until it is told to stop, in the cgroup of the tasks. What was synced is noted. */
  async startWriter(): Promise<void> {
    await this.qemu.must(`rm -f /tmp/stop
echo ${Buffer.from(writer()).toString('base64')} | base64 -d >/tmp/writer
setsid sh /tmp/writer >/dev/null 2>&1 </dev/null 4>&- &`);
  }

  /** Resolves with this event, since the daemon was started last. */
  async event(name: string, withinMs = 180_000): Promise<Logged> {
    const late = sleep(withinMs, 'late', { ref: false });
    for (;;) {
      const found = this.events.find(({ event }) => event === name);
      if (found) return found;
      if ((await Promise.race([late, this.#heard.promise])) === 'late')
        throw new Error(`No ${name} in ${withinMs / 1000} s.`);
    }
  }

  /** The disk has grown by one volume, can be used, and EC2 holds nothing that is not in use. */
  async grown(): Promise<void> {
    await this.event('disk-grown');
    await this.usable();
  }

  async usable(): Promise<void> {
    this.sizeGiB += 1;
    // More than was left before: it is on the new volume, at least in part.
    await this.qemu.must(
      `cd /var/lib/docker && fallocate -l ${this.#leftMiB + BEYOND_MIB}M beyond && rm beyond`,
    );
    const written = Number((await this.qemu.ask(`wc -l <${STATE}/written`)).out) || 0;
    await this.until('One more file', `[ $(wc -l <${STATE}/written) -gt ${written} ]`);
    const fromMs = Date.now();
    while (this.#orphans().length > 0 && Date.now() - fromMs < 60_000) await sleep(200);
    if (this.#orphans().length > 0) throw new Error(`Left over: ${this.#orphans().join(', ')}`);
  }

  #orphans(): string[] {
    return [...this.ec2.volumes.values()].flatMap(({ volumeId, isDeleted, attachment }) =>
      isDeleted || attachment?.isProtected ? [] : [volumeId],
    );
  }

  async until(what: string, script: string, withinMs = 120_000): Promise<void> {
    const fromMs = Date.now();
    while ((await this.qemu.ask(script)).code !== 0) {
      if (Date.now() - fromMs > withinMs) throw new Error(`${what} did not come.`);
      await sleep(300);
    }
  }

  log(): string {
    return this.events.map((event) => JSON.stringify(event)).join('\n');
  }

  /** Nothing that was synced is lost, the file system is sound, and EC2 is tidy. Cleans up. */
  async end({ isDamaged = false } = {}): Promise<void> {
    const problems = [...this.violations];
    try {
      await this.qemu.ask(END_ALL);
      if (!isDamaged) problems.push(...(await this.#verify()));
    } finally {
      await this.stop();
      await this.#cleanUp();
      if (isDamaged) await this.qemu.ask(FORGET_ERRORS);
    }
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  /** Enough after a failure: the machine is thrown away. */
  async stop(): Promise<void> {
    this.hasDisk = false;
    clearInterval(this.#timer);
    await this.server?.close();
    this.server = undefined;
  }

  async #verify(): Promise<string[]> {
    const { out } = await this.qemu.ask(verifying());
    return [
      ...out
        .split('\n')
        .filter((line) => line !== '')
        .slice(0, 10),
      ...this.#orphans().map((volumeId) => `${volumeId} is left over`),
    ];
  }

  async #cleanUp(): Promise<void> {
    await this.qemu.ask(CLEAN_UP);
    for (const serial of ['first', ...this.#plugged]) await this.qemu.unplug(serial);
    this.#plugged.clear();
  }
}
