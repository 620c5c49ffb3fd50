/** The classes of faults, each on a real kernel. The cases of a class grow one disk in turn. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { serialOf } from '../../rules/facts.ts';
import type { Bench, Logged, Round } from './bench.ts';
import { DAEMON_PID, STATE } from './guest-scripts.ts';

export interface Told {
  /** From the device's appearance to the file system with it. */
  seenToGrownMs?: number;
  /** The CPU of the whole machine in that time, writer included. */
  seenToGrownCpuMs?: number;
  /** From the start of a daemon after a SIGKILL to its first look. */
  resumedMs?: number;
  resumedCpuMs?: number;
  /** Of tasks that were frozen. */
  heldMs?: number;
  note?: string;
}

export interface FaultClass {
  name: string;
  /** Its disk cannot be used again: each case has its own. */
  isDamaging?: true;
  /** How long 8 cases take, mostly waiting; 1 where nothing is said. */
  minutes?: number;
  play(bench: Bench, seed: number): Promise<Told>;
}

const STATES = ['planned', 'created', 'attached', 'protected', 'seen', 'added', 'grown'] as const;
const stateOf = (seed: number): string => STATES[seed % STATES.length] ?? 'planned';

function timesOf(events: readonly Logged[]): Told {
  const seen = events.findLast(({ event }) => event === 'disk-volume-seen');
  const grown = events.findLast(({ event }) => event === 'disk-grown');
  const heldMs = events
    .filter(({ event }) => event === 'disk-brake-off')
    .reduce((sum, one) => sum + Number(one['heldMs']), 0);
  if (!seen || !grown) return { heldMs };
  return {
    seenToGrownMs: grown.atMs - seen.atMs,
    seenToGrownCpuMs: grown.cpuMs - seen.cpuMs,
    heldMs,
  };
}

/** The disk grows under the writer, who notices nothing. */
const grows =
  (roundOf: (bench: Bench, seed: number) => Omit<Round, 'seed'>) =>
  async (bench: Bench, seed: number): Promise<Told> => {
    await bench.round({ ...roundOf(bench, seed), seed });
    await bench.startDaemon();
    await bench.grown();
    await bench.stopDaemon();
    return timesOf(bench.events);
  };

/** Growth after growth, for a minute, under tasks that take 2 GiB of room in it. */
async function sustained(bench: Bench, seed: number): Promise<Told> {
  await bench.round({ seed });
  await bench.startDaemon({ DISK_MAX_GIB: String(bench.sizeGiB + 8) });
  await bench.event('disk-growth-planned');
  const fromMs = Date.now();
  await bench.qemu.must(`cat >/tmp/taker <<'END'
echo $$ >/tmp/taker.pid
echo $$ >/sys/fs/cgroup/ecstasks.slice/cgroup.procs
cd /var/lib/docker
for i in $(seq 64); do fallocate -l 36M taken${seed}-$i || echo "taken $i" >>${STATE}/full; sleep 0.6; done
END
setsid sh /tmp/taker </dev/null >/dev/null 2>&1 4>&- &`);
  await bench.until('All that was asked for', `[ -e /var/lib/docker/taken${seed}-64 ]`, 180_000);
  const tookMs = Date.now() - fromMs;
  await bench.grown();
  const { out } = await bench.qemu.ask("stat -f -c '%b %S' /var/lib/docker");
  const [blocks = 0, bytes = 0] = out.trim().split(' ').map(Number);
  bench.sizeGiB = Math.ceil((blocks * bytes) / 1_073_741_824);
  const status = await bench.qemu.must(`grep VmHWM /proc/$(cat ${DAEMON_PID})/status`);
  const mib = Math.round(Number(/\d+/.exec(status)?.[0]) / 1024);
  await bench.stopDaemon();
  const rate = (64 * 36 * 60_000) / 1024 / tookMs;
  await bench.qemu.must('rm -f /var/lib/docker/taken*');
  return {
    ...timesOf(bench.events),
    note: `${rate.toFixed(1)} GiB/min, daemon ${mib} MiB at most`,
  };
}

/** A daemon ends at a state, and the next one right before the state after it. */
async function killed(bench: Bench, seed: number): Promise<Told> {
  const state = stateOf(seed);
  const next = stateOf(seed + 1);
  await bench.round({ seed });
  await bench.startDaemon({ BATCHWELL_DISK_CRASH: `${state}:SIGKILL` });
  await bench.event('ended');
  if (state !== 'grown') {
    await bench.startDaemon({ BATCHWELL_DISK_CRASH: `${next}:SIGKILL:before` });
    await bench.event('ended');
  }
  const resumed = await resumes(bench);
  if (state === 'grown') await bench.usable();
  else await bench.grown();
  await bench.stopDaemon();
  return { ...timesOf(bench.events), ...resumed, note: state };
}

async function resumes(bench: Bench): Promise<Pick<Told, 'resumedMs' | 'resumedCpuMs'>> {
  const fromMs = Date.now();
  const fromCpuMs = bench.qemu.cpuMs();
  await bench.startDaemon();
  const { atMs, cpuMs } = await bench.event('disk-daemon-started');
  return { resumedMs: atMs - fromMs, resumedCpuMs: cpuMs - fromCpuMs };
}

/** The daemon ends while LVM works, and the next one waits for the lock that LVM holds. */
async function killedInCommands(bench: Bench, seed: number): Promise<Told> {
  await bench.round({ seed });
  await bench.startDaemon();
  await bench.event('disk-volume-seen');
  await sleep(seed * 150);
  await bench.stopDaemon('KILL');
  const isGrown = bench.events.some(({ event }) => event === 'disk-grown');
  const resumed = await resumes(bench);
  if (isGrown) await bench.usable();
  else await bench.grown();
  await bench.stopDaemon();
  return { ...resumed, note: isGrown ? 'too late' : '' };
}

/** At each state; the eighth case is in the middle of a change. */
async function cut(bench: Bench, seed: number): Promise<Told> {
  const isBefore = seed % (STATES.length + 1) === STATES.length;
  const state = isBefore ? 'added' : stateOf(seed % (STATES.length + 1));
  await bench.round({ seed });
  await bench.startDaemon({
    BATCHWELL_DISK_CRASH: `${state}:SIGSTOP${isBefore ? ':before' : ''}`,
  });
  await bench.until('The stop', `grep -q '^State:.*T' /proc/$(cat ${DAEMON_PID})/status`);
  await bench.qemu.reset();
  await bench.setUp();
  await bench.startWriter();
  await bench.startDaemon();
  if (state === 'grown') {
    await bench.event('disk-daemon-started');
    await bench.usable();
  } else await bench.grown();
  await bench.stopDaemon();
  return { ...timesOf(bench.events), note: isBefore ? `before ${state}` : state };
}

async function neverAppears(bench: Bench, seed: number): Promise<Told> {
  await bench.round({ seed, faults: { neverAppears: 1 } });
  await bench.startDaemon();
  await bench.event('disk-growth-abandoned');
  bench.ec2.faults = { ...bench.ec2.faults, neverAppears: 0 };
  await bench.grown();
  await bench.stopDaemon();
  return timesOf(bench.events);
}

async function foreign(bench: Bench, seed: number): Promise<Told> {
  let before = '';
  let file = '';
  const sum = (path: string): string =>
    createHash('sha256').update(readFileSync(path)).digest('hex');
  const fill = (path: string): void => {
    if (before !== '') return;
    if (seed % 2 === 0) execFileSync('mke2fs', ['-q', '-F', path, '64M']);
    else execFileSync('mkfs.xfs', ['-q', '-f', path]);
    file = path;
    before = sum(path);
  };
  await bench.round({ seed, plug: { fill } });
  await bench.startDaemon();
  const { reason } = await bench.event('disk-growth-abandoned');
  if (!/holds (ext[24]|xfs),/.test(String(reason)))
    throw new Error(`The reason does not name the signature: ${String(reason)}`);
  await bench.event('disk-grown');
  if (sum(file) !== before) throw new Error('A foreign device was written to.');
  // It stays, and people decide.
  for (const volume of bench.ec2.volumes.values())
    if (bench.qemu.imageOf(serialOf(volume.volumeId)) === file) {
      volume.isDeleted = true;
      volume.attachment = null;
    }
  await bench.usable();
  await bench.stopDaemon();
  return timesOf(bench.events);
}

/** The new part of the disk errs, by the mapper or by the device itself: the host ends. */
async function errs(bench: Bench, seed: number): Promise<Told> {
  const isDevice = seed % 2 === 1;
  await bench.round({ seed, plug: { errs: isDevice } });
  await bench.startDaemon();
  // Growing writes to the device as well, so it can err before it has grown.
  if (!isDevice) {
    await bench.event('disk-grown');
    await replaceNewPart(bench, 'error');
  } else await bench.event('disk-volume-added');
  await bench.qemu.must(
    `cd /var/lib/docker; (for i in $(seq 100); do mkdir -p d$i; head -c 8000000 /dev/zero >d$i/f; sync; done) >/dev/null 2>&1 </dev/null 4>&- &`,
  );
  const { sentence } = await bench.event('disk-io-error');
  await bench.until('The end of the host', `grep -q batchwell-give-up ${STATE}/systemctl`);
  await bench.until('The freeze', 'grep -q 1 /sys/fs/cgroup/ecstasks.slice/cgroup.freeze');
  if (!String(sentence).includes('I/O error')) throw new Error(`It says ${String(sentence)}.`);
  return { ...timesOf(bench.events), note: isDevice ? 'NVMe' : 'dm-error' };
}

/** `target`: of the device mapper, for all parts of the disk but the first. */
const replaceNewPart = (bench: Bench, target: 'error' | 'delay'): Promise<string> =>
  bench.qemu
    .must(`dmsetup table batchwell-data | awk 'NR == 1 { print } NR > 1 { print $1, $2, ${target === 'error' ? '"error"' : '"delay", $4, $5, 200'} }' >/tmp/table
dmsetup suspend ${target === 'error' ? '--noflush --nolockfs' : ''} batchwell-data
dmsetup load batchwell-data /tmp/table
dmsetup resume batchwell-data`);

/** A device of 4 MiB/s; or parts that answer after 200 ms (dm-delay), below the growth that follows. */
async function slow(bench: Bench, seed: number): Promise<Told> {
  const isMapper = seed % 2 === 1 && bench.sizeGiB > 1;
  if (isMapper) await replaceNewPart(bench, 'delay');
  const told = await grows(() => ({ plug: { slowly: !isMapper } }))(bench, seed);
  return { ...told, note: isMapper ? 'dm-delay' : '4 MiB/s' };
}

/** Nothing more may be added, by our limit or by that of EC2: tasks are held, and go on. Then it grows. */
async function limited(bench: Bench, seed: number): Promise<Told> {
  const isOfEc2 = seed % 2 === 1;
  const seconds = seed === 0 ? 120 : 10;
  const attached = [...bench.ec2.volumes.values()].filter(({ attachment }) => attachment).length;
  await bench.round({
    seed,
    leftMiB: 80,
    ...(isOfEc2 && { faults: { mostAttachments: attached } }),
  });
  await bench.startDaemon({
    DISK_MAX_GIB: String(bench.sizeGiB + (isOfEc2 ? 1 : 0)),
    DISK_BRAKE_SECONDS: String(seconds),
  });
  if (isOfEc2) {
    const { sentence } = await bench.event('disk-limit-reached');
    if (!String(sentence).includes('AttachmentLimitExceeded'))
      throw new Error(`It says ${String(sentence)}.`);
  } else await bench.event('disk-limit-reached');
  await bench.event('disk-brake-on');
  const { heldMs, reason } = await bench.event('disk-brake-off');
  if (reason !== 'spent' || Number(heldMs) < seconds * 1000)
    throw new Error(`The brake was held for ${String(heldMs)} ms: ${String(reason)}.`);
  await bench.stopDaemon();
  bench.ec2.faults = { ...bench.ec2.faults, mostAttachments: 26 };
  await bench.startDaemon();
  await bench.event('disk-grown');
  // It was full for a while, as was announced.
  await bench.qemu.must(`rm -f ${STATE}/full`);
  await bench.usable();
  await bench.stopDaemon();
  return { ...timesOf(bench.events), note: isOfEc2 ? 'EC2' : 'DiskMaxGiB' };
}

async function withoutMetadata(bench: Bench, seed: number): Promise<Told> {
  await bench.startDaemon();
  await bench.event('disk-daemon-started');
  await bench.stopDaemon('KILL');
  await bench.round({ seed });
  if (bench.server) bench.server.isMetadataDead = true;
  await bench.startDaemon();
  await bench.grown();
  await bench.stopDaemon();
  if (bench.server) bench.server.isMetadataDead = false;
  return timesOf(bench.events);
}

const NAMES = Array.from({ length: 26 }, (_, at) => `/dev/xvdb${String.fromCodePoint(97 + at)}`);

/** The name that comes next is taken by somebody else. */
const takenName = (bench: Bench): Omit<Round, 'seed'> => ({
  faults: { takenNames: NAMES.slice(2 * (bench.sizeGiB - 1)).slice(0, 1) },
});

export const faultClasses: readonly FaultClass[] = [
  { name: 'no fault', play: grows(() => ({})) },
  { name: 'throttled', play: grows(() => ({ faults: { throttled: 0.5 } })) },
  { name: 'answers are lost', play: grows(() => ({ faults: { lostReplies: 0.3 } })) },
  { name: '5xx', play: grows(() => ({ faults: { serverErrors: 0.4 } })) },
  { name: 'late device', play: grows(() => ({ faults: { appearsWithinMs: 20_000 } })) },
  { name: 'name is taken', play: grows(takenName) },
  { name: 'slow device', play: slow },
  { name: 'device never appears', minutes: 10, play: neverAppears },
  { name: 'foreign signature', play: foreign },
  { name: 'no metadata', minutes: 2, play: withoutMetadata },
  { name: 'SIGKILL at a state', minutes: 5, play: killed },
  { name: 'SIGKILL in LVM', minutes: 3, play: killedInCommands },
  { name: 'power cut at a state', minutes: 4, play: cut },
  { name: 'I/O errors', minutes: 6, isDamaging: true, play: errs },
  { name: 'limit and brake', minutes: 5, play: limited },
  { name: '2 GiB a minute', minutes: 3, play: sustained },
];
