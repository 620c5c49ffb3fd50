/** A host that boots: the Debian disk, the user data of core with AWS Batch's part, and AWS played. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildHost } from '../../host/build.ts';
import { ARCHIVE, putRelease } from '../played-aws.ts';
import { userDataOf } from '../world.ts';
import { startMachine, type Machine } from './machine.ts';
import { addAddresses, startServers, type PlayedServers } from './played-servers.ts';

/** Made by `test-hosts.ts`: kernel, initrd, disk, played.crt, played.key. */
const folder = process.env['BATCHWELL_BOOT_FOLDER'] ?? '';
/** Of the volume that the launch template adds, in the mode `fixed`. */
export const VOLUME_GIB = 50;
export const INSTANCE = {
  instanceId: 'i-0123456789abcdef0',
  zone: 'eu-west-1a',
  region: 'eu-west-1',
} as const;
export const CLUSTER = 'batch-cluster';

export interface BootedHost extends PlayedServers {
  machine: Machine;
  release: string;
  /** Resolves when the agent runs. @throws Error with the journal if it does not within 5 minutes */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

export interface HostOptions {
  archive: Buffer;
  parameters?: Record<string, string>;
  /** Of the volume that is there. */
  volumeGiB?: number;
  /** A file that the AMI does not have. */
  without?: string;
  /** Called before the host starts, for faults. */
  prepare?(servers: PlayedServers, release: string): void;
}

export async function bootHost(name: string, options: HostOptions): Promise<BootedHost> {
  const place = join(folder, 'run', name);
  mkdirSync(place, { recursive: true });
  const disk = join(place, 'disk');
  run('cp', '--sparse=always', join(folder, 'disk'), disk);
  if (options.without !== undefined)
    run('debugfs', '-w', '-R', `rm ${options.without}`, `${disk}?offset=1048576`);
  const volume = join(place, 'volume');
  run('truncate', '-s', `${options.volumeGiB ?? VOLUME_GIB}G`, volume);
  const servers = await startServers(folder);
  const { close } = servers;
  const release = putRelease(servers.aws, options.archive);
  describeInstance(servers, {
    DiskMode: 'fixed',
    DiskGiB: String(VOLUME_GIB),
    HostRelease: release,
    ...options.parameters,
  });
  options.prepare?.(servers, release);
  const machine = await startMachine({ folder, disk, volume });
  return Object.assign(servers, {
    machine,
    release,
    async ready() {
      const { code } = await machine.ask(UNTIL_READY);
      if (code !== 0) throw new Error(await machine.read('journalctl -b --no-pager | tail -n 200'));
    },
    async stop() {
      await machine.stop();
      await close();
      rmSync(place, { recursive: true });
    },
  });
}

const UNTIL_READY = `
systemctl is-system-running --wait >/dev/null
for try in $(seq 300); do
  systemctl is-active --quiet ecs && [ -e /run/agent-joined ] && exit 0
  sleep 1
done
exit 1`;

function run(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

/** The host release, as its launch template's user data find it in the bucket. */
export async function buildRelease(): Promise<Buffer> {
  addAddresses();
  const made = mkdtempSync(join(tmpdir(), 'batchwell-release-'));
  await buildHost(made);
  const archive = readFileSync(join(made, ARCHIVE));
  rmSync(made, { recursive: true });
  return archive;
}

/** What cloud-init asks for. AWS Batch adds a part with the name of the cluster behind ours. */
function describeInstance({ aws }: PlayedServers, parameters: Record<string, string>): void {
  const ofBatch = [
    '--batchwell',
    'Content-Type: text/x-shellscript; charset="us-ascii"',
    '',
    '#!/bin/bash',
    `echo ECS_CLUSTER=${CLUSTER} >>/etc/ecs/ecs.config`,
    '--batchwell--',
    '',
  ].join('\n');
  const facts = {
    'user-data': userDataOf(parameters).replace(/--batchwell--\n$/, ofBatch),
    'dynamic/instance-identity/document': '{}',
    'meta-data/ami-id': 'ami-1',
    'meta-data/instance-id': INSTANCE.instanceId,
    'meta-data/instance-type': 'm6id.large',
    'meta-data/local-hostname': 'ip-10-0-2-15',
    'meta-data/placement/availability-zone': INSTANCE.zone,
    'meta-data/placement/region': INSTANCE.region,
    'meta-data/tags/instance/Lab': 'Genomics',
  };
  for (const [path, value] of Object.entries(facts)) aws.metadata.set(path, value);
}
