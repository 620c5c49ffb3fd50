/** The classes of faults, each on a real kernel. A case gets its own disk, EC2, and seed. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { serialOf } from '../../rules/facts.ts';
import type { Bench, CaseOptions, Logged } from './bench.ts';

interface Told {
  /** From the device's appearance to the file system with it. */
  seenToGrownMs?: number;
  note?: string;
}

export interface FaultClass {
  name: string;
  /** A power cut needs a boot. */
  boots: number;
  play(bench: Bench, seed: number): Promise<Told>;
}

const STATES = ['planned', 'created', 'attached', 'protected', 'seen', 'added'] as const;

const at = (events: readonly Logged[], name: string): number =>
  Date.parse(events.findLast(({ event }) => event === name)?.time ?? '');

const timesOf = (events: readonly Logged[]): Told => ({
  seenToGrownMs: at(events, 'disk-grown') - at(events, 'disk-volume-seen'),
});

/** The disk grows under the writer, who notices nothing. */
const grows =
  (options: Omit<CaseOptions, 'seed'>) =>
  async (bench: Bench, seed: number): Promise<Told> => {
    await bench.begin({ ...options, seed });
    await bench.startWriter();
    await bench.startDaemon();
    const events = await bench.event('disk-grown');
    // More than the first volume has: it can only be on the second one.
    await bench.qemu.must('cd /var/lib/docker && fallocate -l 300M beyond');
    await bench.until(
      'Two more files',
      `[ $(wc -l </root-volume/state/written) -ge ${(await bench.written()) + 2} ]`,
    );
    await bench.end();
    return timesOf(events);
  };

async function killed(bench: Bench, seed: number): Promise<Told> {
  const state = STATES[seed % STATES.length] ?? 'planned';
  await bench.begin({ seed });
  await bench.startWriter();
  await bench.startDaemon(`BATCHWELL_DISK_CRASH=${state}:SIGKILL`);
  await bench.until(
    'The crash',
    "grep -q planned /root-volume/state/daemon.log && ! pgrep -f 'disk.mjs run'",
    240_000,
  );
  await bench.startDaemon();
  const events = await bench.event('disk-grown');
  await bench.end();
  return { ...timesOf(events), note: state };
}

async function cut(bench: Bench, seed: number): Promise<Told> {
  const state = STATES[seed % STATES.length] ?? 'planned';
  await bench.begin({ seed });
  await bench.startWriter();
  await bench.startDaemon(`BATCHWELL_DISK_CRASH=${state}:SIGSTOP`);
  await bench.until(
    'The stop',
    `grep -q '"at": "${state}"' /var/lib/batchwell/disk/journal.json`,
    240_000,
  );
  await bench.qemu.reset();
  await bench.setUpAgain();
  await bench.startDaemon();
  await bench.startWriter();
  const events = await bench.event('disk-grown');
  await bench.end();
  return { ...timesOf(events), note: state };
}

async function neverAppears(bench: Bench, seed: number): Promise<Told> {
  await bench.begin({ seed, faults: { neverAppears: 1 } });
  await bench.startWriter();
  await bench.startDaemon();
  await bench.event('disk-growth-abandoned', 300_000);
  bench.ec2.faults = { ...bench.ec2.faults, neverAppears: 0 };
  const events = await bench.event('disk-grown');
  await bench.end();
  return timesOf(events);
}

async function foreign(bench: Bench, seed: number): Promise<Told> {
  let before = '';
  let file = '';
  const sum = (path: string): string =>
    createHash('sha256').update(readFileSync(path)).digest('hex');
  const fill = (path: string): void => {
    if (before !== '') return;
    execFileSync('mke2fs', ['-q', '-F', path, '64M']);
    file = path;
    before = sum(path);
  };
  await bench.begin({ seed, plug: { fill } });
  await bench.startDaemon();
  await bench.qemu.must('cd /var/lib/docker && fallocate -l 60M more');
  const events = await bench.event('disk-growth-abandoned');
  if (!JSON.stringify(events).includes('ext4') && !JSON.stringify(events).includes('ext2'))
    throw new Error('The reason does not name the signature.');
  await bench.event('disk-grown');
  if (sum(file) !== before) throw new Error('A foreign device was written to.');
  // It stays, and people decide.
  for (const volume of bench.ec2.volumes.values())
    if (bench.qemu.imageOf(serialOf(volume.volumeId)) === file) volume.isDeleted = true;
  await bench.end();
  return {};
}

/** The new part of the disk errs: the host ends. */
async function errs(bench: Bench, seed: number): Promise<Told> {
  await bench.begin({ seed });
  await bench.startWriter();
  await bench.startDaemon();
  await bench.event('disk-grown');
  await bench.qemu
    .must(`dmsetup table batchwell-data | awk 'NR == 1 { print } NR > 1 { print $1, $2, "error" }' >/tmp/table
dmsetup suspend --noflush --nolockfs batchwell-data
dmsetup load batchwell-data /tmp/table
dmsetup resume batchwell-data
(i=0; while [ $i -lt 60 ]; do i=$((i + 1)); mkdir -p /var/lib/docker/d$i; head -c 4000000 /dev/zero >/var/lib/docker/d$i/f; sync; done) >/dev/null 2>&1 </dev/null &`);
  await bench.event('disk-io-error', 120_000);
  await bench.until(
    'The end of the host',
    'grep -q batchwell-give-up /root-volume/state/systemctl',
  );
  await bench.until('The freeze', 'grep -q 1 /sys/fs/cgroup/ecstasks.slice/cgroup.freeze');
  await bench.end({ isDamaged: true });
  return {};
}

async function limited(bench: Bench, seed: number): Promise<Told> {
  await bench.begin({ seed, settings: { DISK_MAX_GIB: '1' } });
  await bench.startWriter();
  await bench.startDaemon();
  await bench.event('disk-limit-reached');
  await bench.event('disk-brake-on');
  const events = await bench.event('disk-brake-off', 200_000);
  const heldMs = events.findLast(({ event }) => event === 'disk-brake-off')?.['heldMs'];
  if (Number(heldMs) < 119_000) throw new Error(`The brake was held for ${String(heldMs)} ms.`);
  await bench.end({ isDamaged: true });
  return { note: `held ${String(heldMs)} ms` };
}

async function withoutMetadata(bench: Bench, seed: number): Promise<Told> {
  await bench.begin({ seed });
  await bench.startDaemon();
  await bench.event('disk-daemon-started');
  await bench.qemu.must("pkill -9 -f 'disk.mjs run'; sleep 1");
  if (bench.server) bench.server.isMetadataDead = true;
  await bench.startDaemon();
  await bench.startWriter();
  const events = await bench.event('disk-grown');
  await bench.end();
  return timesOf(events);
}

export const faultClasses: readonly FaultClass[] = [
  { name: 'no fault', boots: 0, play: grows({}) },
  { name: 'throttled', boots: 0, play: grows({ faults: { throttled: 0.5 } }) },
  { name: 'answers are lost', boots: 0, play: grows({ faults: { lostReplies: 0.3 } }) },
  { name: '5xx', boots: 0, play: grows({ faults: { serverErrors: 0.4 } }) },
  { name: 'late device', boots: 0, play: grows({ faults: { appearsWithinMs: 20_000 } }) },
  { name: 'name is taken', boots: 0, play: grows({ faults: { takenNames: ['/dev/xvdba'] } }) },
  { name: 'slow device', boots: 0, play: grows({ plug: { slowly: true } }) },
  { name: 'device never appears', boots: 0, play: neverAppears },
  { name: 'foreign signature', boots: 0, play: foreign },
  { name: 'no metadata', boots: 0, play: withoutMetadata },
  { name: 'SIGKILL at a state', boots: 0, play: killed },
  { name: 'power cut at a state', boots: 1, play: cut },
  { name: 'I/O errors', boots: 0, play: errs },
  { name: 'limit and brake', boots: 0, play: limited },
];
