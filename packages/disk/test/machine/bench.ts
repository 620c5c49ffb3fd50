/** One machine on which cases run one after the other, each with a fresh disk, a played EC2, and a writer. */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiskEvent } from '../../rules/events.ts';
import { serialOf } from '../../rules/facts.ts';
import { GIB } from '../../rules/policy.ts';
import { dice } from '../world/dice.ts';
import { serveEc2, type Ec2Server } from '../world/ec2-server.ts';
import { noFaults, PlayedEc2, type Ec2Faults } from '../world/played-ec2.ts';
import type { Qemu } from './qemu.ts';

const INSTANCE = {
  instanceId: 'i-0a',
  zone: 'eu-west-1a',
  region: 'eu-west-1',
  tags: { Lab: 'ü' },
};
const DISK = '/opt/batchwell/host/batchwell-disk';
const FILE_BYTES = 8_388_608;
const FIRST_GIB = 1;

export interface CaseOptions {
  seed: number;
  faults?: Partial<Ec2Faults>;
  settings?: Record<string, string>;
  /** Of each volume that EC2 attaches. */
  plug?: Parameters<Qemu['plug']>[2];
}

export type Logged = { time: string; event: string } & DiskEvent['fields'];

export class Bench {
  readonly qemu: Qemu;
  readonly violations: string[] = [];
  ec2: PlayedEc2;
  server: Ec2Server | undefined;
  #options: CaseOptions = { seed: 1 };
  #plugged = new Set<string>();
  #isPlugging = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #log: string;

  constructor(qemu: Qemu, log: string) {
    this.qemu = qemu;
    this.#log = log;
    this.ec2 = this.#ec2(this.#options);
  }

  #ec2({ seed, faults }: CaseOptions): PlayedEc2 {
    return new PlayedEc2(Date.now, dice(seed), { ...noFaults, ...faults }, (sentence) =>
      this.violations.push(sentence),
    );
  }

  /** A fresh disk, without the daemon. */
  async begin(options: CaseOptions): Promise<void> {
    this.#options = options;
    this.violations.length = 0;
    this.ec2 = this.#ec2(options);
    this.server = await serveEc2(this.ec2.client(), INSTANCE);
    await this.qemu.plug('first', FIRST_GIB * GIB);
    await this.until(
      'the first volume',
      `grep -qx first /sys/block/nvme*/device/serial || grep -q first /sys/block/nvme*/device/serial`,
    );
    await this.qemu.must(`${this.#settings()} ${DISK} set-up`);
    await this.qemu.must('cd /var/lib/docker && fallocate -l 820M filler');
    this.#timer = setInterval(() => void this.#follow(), 200);
  }

  /** After a boot. */
  async setUpAgain(): Promise<void> {
    await this.qemu.must(`${this.#settings()} ${DISK} set-up`);
  }

  #settings(): string {
    const url = `http://10.0.2.2:${new URL(this.server?.url ?? '').port}`;
    const settings = {
      DISK_MODE: 'elastic',
      DISK_GIB: String(FIRST_GIB),
      DISK_GROWTH_GIB: '1',
      DISK_BRAKE_MIB: '64',
      DISK_MAX_GIB: '4',
      STACK: 'batchwell',
      REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_EC2: url,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      ...this.#options.settings,
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
          await this.qemu.plug(serial, sizeGiB * GIB, this.#options.plug);
        } else if (attachment === null && this.#plugged.has(serial)) {
          await this.qemu.unplug(serial);
          this.#plugged.delete(serial);
        }
      }
    } finally {
      this.#isPlugging = false;
    }
  }

  async startDaemon(more = ''): Promise<void> {
    await this.qemu.must(
      `${this.#settings()} ${more} setsid ${DISK} run >>/root-volume/state/daemon.log 2>&1 </dev/null &`,
    );
  }

  /** Writes files until it is told to stop, in the cgroup of the tasks. What was synced is noted. */
  async startWriter(): Promise<void> {
    await this.qemu.must(`rm -f /tmp/stop
cat >/tmp/writer <<'EOF'
echo $$ >/sys/fs/cgroup/ecstasks.slice/cgroup.procs
cd /var/lib/docker
i=$(ls -d f* 2>/dev/null | wc -l)
while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  if yes "$i" | dd of=f$i bs=1M count=${FILE_BYTES / 1_048_576} iflag=fullblock conv=fsync 2>/tmp/full; then
    echo $i >>/root-volume/state/written
  else
    echo "f$i: $(cat /tmp/full)" >>/root-volume/state/full
  fi
  sleep 0.3
done
EOF
setsid sh /tmp/writer >/dev/null 2>&1 </dev/null &`);
  }

  async events(): Promise<Logged[]> {
    const { out } = await this.qemu.ask('cat /root-volume/state/daemon.log 2>/dev/null');
    return out.split('\n').flatMap((line) => {
      try {
        return [JSON.parse(line) as Logged];
      } catch {
        return [];
      }
    });
  }

  async event(name: string, withinMs = 240_000, count = 1): Promise<Logged[]> {
    const fromMs = Date.now();
    for (;;) {
      const events = await this.events();
      if (events.filter(({ event }) => event === name).length >= count) return events;
      if (Date.now() - fromMs > withinMs)
        throw new Error(`No ${name} in ${withinMs / 1000} s:\n${await this.log()}`);
      await sleep(500);
    }
  }

  async written(): Promise<number> {
    const { out } = await this.qemu.ask('cat /root-volume/state/written 2>/dev/null | wc -l');
    return Number(out);
  }

  async until(what: string, script: string, withinMs = 120_000): Promise<void> {
    const fromMs = Date.now();
    while ((await this.qemu.ask(script)).code !== 0) {
      if (Date.now() - fromMs > withinMs)
        throw new Error(`${what} did not come in ${withinMs} ms.`);
      await sleep(300);
    }
  }

  async log(): Promise<string> {
    return (await this.qemu.ask('tail -n 30 /root-volume/state/daemon.log')).out;
  }

  /** Nothing that was synced is lost, the file system is sound, and EC2 is tidy. Cleans up. */
  async end({ isDamaged = false } = {}): Promise<void> {
    const problems = [...this.violations];
    try {
      await this.qemu.ask(`touch /tmp/stop; echo 0 >/sys/fs/cgroup/ecstasks.slice/cgroup.freeze
pkill -f 'disk.mjs run'; sleep 1; pkill -9 -f 'disk.mjs run'; pkill -9 -f /tmp/writer; sleep 1`);
      if (!isDamaged) problems.push(...(await this.#verify()));
    } finally {
      clearInterval(this.#timer);
      await this.#cleanUp();
    }
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  /** After a failure: the machine is thrown away. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.server?.close();
  }

  async #verify(): Promise<string[]> {
    const { out } = await this.qemu.ask(`cd /var/lib/docker
for i in $(cat /root-volume/state/written); do
  yes "$i" | head -c ${FILE_BYTES} | cmp -s - f$i || echo "f$i is damaged"
done
[ -s /root-volume/state/full ] && head -n 3 /root-volume/state/full
cd /
umount /var/lib/docker /var/lib/containerd && umount /var/lib/batchwell/data || echo 'cannot be unmounted'
xfs_repair -n /dev/batchwell/data >/tmp/repair 2>&1 || { echo 'xfs_repair finds damage'; tail -n 5 /tmp/repair; }`);
    const orphans = [...this.ec2.volumes.values()].filter(
      ({ isDeleted, attachment }) => !isDeleted && attachment?.isProtected !== true,
    );
    return [
      ...out.split('\n').filter((line) => line !== ''),
      ...orphans.map(({ volumeId }) => `${volumeId} is left over`),
    ];
  }

  async #cleanUp(): Promise<void> {
    appendFileSync(this.#log, `${await this.log()}\n---\n`);
    await this.qemu.ask(`cd /
umount -l /var/lib/docker /var/lib/containerd /var/lib/batchwell/data 2>/dev/null
dmsetup remove --force --retry batchwell-data; rm -rf /dev/batchwell
rm -rf /root-volume/state/* /run/batchwell/*; sync`);
    for (const serial of ['first', ...this.#plugged]) await this.qemu.unplug(serial);
    this.#plugged.clear();
    await this.server?.close();
  }
}
