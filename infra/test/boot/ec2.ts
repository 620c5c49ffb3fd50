/** EC2 for one booted host: volumes that it attaches are plugged into the machine. */
import { setTimeout as sleep } from 'node:timers/promises';
import { serialOf } from '../../../packages/disk/rules/facts.ts';
import { GIB } from '../../../packages/disk/rules/policy.ts';
import { dice } from '../../../packages/disk/test/world/dice.ts';
import { serveEc2 } from '../../../packages/disk/test/world/ec2-server.ts';
import {
  noFaults,
  PlayedEc2,
  type PlayedVolume,
} from '../../../packages/disk/test/world/played-ec2.ts';
import { INSTANCE, type BootedHost } from './boot-world.ts';

interface HostEc2 {
  volumes(): PlayedVolume[];
  /** Actions that were asked for, in their order. */
  actions(): string[];
  /** What no daemon may do, and disks that could not be plugged. */
  violations: string[];
  close(): Promise<void>;
}

export async function serveHost(host: BootedHost): Promise<HostEc2> {
  const violations: string[] = [];
  const ec2 = new PlayedEc2(Date.now, dice(1), noFaults, (sentence) => violations.push(sentence));
  // The metadata are those of the booted host.
  const server = await serveEc2(ec2.client(), { ...INSTANCE, tags: null });
  host.ec2Url = server.url;
  const ending = new AbortController();
  const plugging = plugAttached(ec2, host, ending.signal).catch((error: unknown) => {
    violations.push(String(error));
  });
  return {
    volumes: () => [...ec2.volumes.values()],
    actions: () => ec2.asked.map(({ action }) => action),
    violations,
    async close() {
      ending.abort();
      await plugging;
      await server.close();
    },
  };
}

async function plugAttached(
  ec2: PlayedEc2,
  { machine }: BootedHost,
  signal: AbortSignal,
): Promise<void> {
  const plugged = new Set<string>();
  while (!signal.aborted) {
    for (const { volumeId, sizeGiB, attachment } of ec2.volumes.values()) {
      const appearsAtMs = attachment?.appearsAtMs ?? Infinity;
      if (appearsAtMs > Date.now() || plugged.has(volumeId)) continue;
      plugged.add(volumeId);
      await machine.plug(serialOf(volumeId), sizeGiB * GIB);
    }
    await sleep(100);
  }
}
