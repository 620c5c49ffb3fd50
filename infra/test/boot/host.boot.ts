/** Hosts that boot, with systemd, cloud-init, Docker and a firewall. Each boot takes minutes. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ARCHIVE } from '../played-aws.ts';
import { bootHost, buildRelease, CLUSTER, VOLUME_GIB, type BootedHost } from './boot-world.ts';
import { makeImages, MOUNT, PLAIN, runAsTask, runJob, WITH_ENTRYPOINT } from './containers.ts';
import { playJob } from './job.ts';
import type { Machine } from './machine.ts';
import { reached, SHUT_OUT } from './reach.ts';

let archive: Buffer;
beforeAll(async () => {
  archive = await buildRelease();
});

/** Milliseconds since the boot. */
async function startOf({ machine }: BootedHost, unit: string): Promise<number> {
  const time = await machine.read(`systemctl show -P ExecMainStartTimestampMonotonic ${unit}`);
  expect(Number(time), unit).toBeGreaterThan(0);
  return Number(time) / 1000;
}

async function endOf({ machine }: BootedHost, unit: string): Promise<number> {
  const time = await machine.read(`systemctl show -P ExecMainExitTimestampMonotonic ${unit}`);
  expect(Number(time), unit).toBeGreaterThan(0);
  return Number(time) / 1000;
}

/** How much later than all that makes the host whole, in ms. */
async function leadOverAgent(host: BootedHost): Promise<number> {
  const ends = await Promise.all(
    ['batchwell-host', 'batchwell-firewall'].map((unit) => endOf(host, unit)),
  );
  return (await startOf(host, 'ecs')) - Math.max(...ends);
}

/** The daemon of the disk says things to CloudWatch Logs meanwhile. */
const fetchesOf = ({ aws }: BootedHost): number =>
  aws.seen.filter(({ path }) => path.includes('/releases/')).length;

/** At the first boot, containerd is quicker than cloud-init and must be started again. */
async function startsAfterStorage(host: BootedHost): Promise<boolean[]> {
  const made = await endOf(host, 'batchwell-storage');
  const starts = [await startOf(host, 'containerd'), await startOf(host, 'docker')];
  return starts.map((start) => start > made);
}

const gibOf = async (machine: Machine, folder: string): Promise<number> =>
  Number(await machine.read(`df -BG --output=size ${folder} | tail -n 1 | tr -dc 0-9`));

describe('A host with all that it needs', () => {
  let host: BootedHost;
  beforeAll(async () => {
    host = await bootHost('whole', { archive });
    await host.machine.nextBoot();
    await host.ready();
    await makeImages(host.machine);
  });
  afterAll(() => host.stop());

  it('The root file system has grown and the disk of the tasks is there before Docker starts.', async () => {
    const { machine } = host;
    const grown = await machine.read(
      `journalctl -b -k -o json -g 'resized filesystem' | sed 's/.*"__MONOTONIC_TIMESTAMP":"\\([0-9]*\\)".*/\\1/' | tail -n 1`,
    );
    expect(Number(grown)).toBeGreaterThan(0);
    expect(Number(grown) / 1000).toBeLessThan(await endOf(host, 'batchwell-storage'));
    expect(await startsAfterStorage(host)).toEqual([true, true]);
    expect(await gibOf(machine, '/')).toBeGreaterThan(27);
    for (const folder of ['/var/lib/docker', '/var/lib/containerd'])
      expect(await gibOf(machine, folder), folder).toBe(VOLUME_GIB);
  });

  it('The agent starts after the release and the firewall, with the settings of Batch and ours.', async () => {
    expect(await leadOverAgent(host)).toBeGreaterThan(0);
    expect(host.joined).toEqual([
      expect.objectContaining({ ECS_CLUSTER: CLUSTER, ECS_CONTAINER_STOP_TIMEOUT: '60s' }),
    ]);
  });

  it('No unit failed, and none was dropped from a cycle.', async () => {
    expect(await host.machine.read('systemctl --failed --no-legend --plain')).toBe('');
    expect(await host.machine.read('journalctl -b -g "ordering cycle" -q || true')).toBe('');
  });

  it.each([WITH_ENTRYPOINT, PLAIN])('A job in the image %s runs its task.', async (image) => {
    const job = await playJob('echo from the task');
    try {
      const { code, out } = await runJob(host.machine, job, image);
      expect([code, out]).toEqual([0, expect.not.stringContaining('tool 1.2')]);
      expect(await job.log('0.stdout')).toBe('from the task\n');
      expect(await job.results()).toHaveLength(1);
    } finally {
      await job.close();
    }
  });

  it('Containers that are not jobs of Batchwell keep their ENTRYPOINT and their command.', async () => {
    const { machine } = host;
    const word = '/opt/batchwell/stager.mjs';
    expect(await runAsTask(machine, 'a', WITH_ENTRYPOINT, ['hello'])).toEqual({
      code: 0,
      out: 'tool 1.2 hello\n',
    });
    expect(await runAsTask(machine, 'a', WITH_ENTRYPOINT, [word], MOUNT)).toEqual({
      code: 0,
      out: `tool 1.2 ${word}\n`,
    });
    expect(await runAsTask(machine, 'a', PLAIN, ['echo', word], MOUNT)).toEqual({
      code: 0,
      out: `${word}\n`,
    });
  });

  it('Tasks reach their credentials and not the metadata, also after the last container is gone.', async () => {
    expect(await reached(host, 'b')).toEqual(SHUT_OUT);
    await host.machine.read('docker ps -aq | xargs -r docker rm -f');
    expect(await reached(host, 'c')).toEqual(SHUT_OUT);
  });

  it('Tasks stay shut out when the process that keeps their cgroup is killed.', async () => {
    await host.machine.read('systemctl kill -s KILL batchwell-tasks; sleep 2');
    expect(await reached(host, 'd')).toEqual(SHUT_OUT);
  });

  it('A second boot is whole without fetching the release.', async () => {
    const { machine } = host;
    const fetched = fetchesOf(host);
    await machine.reboot();
    await host.ready();
    expect(await leadOverAgent(host)).toBeGreaterThan(0);
    expect(fetchesOf(host)).toBe(fetched);
    expect(host.joined).toHaveLength(2);
    expect(await startsAfterStorage(host)).toEqual([true, true]);
    expect(await reached(host, 'e')).toEqual(SHUT_OUT);
  });
});

const OURS = 'ls -A /opt | grep batchwell';

describe('A host that loses its power while it unpacks the release', () => {
  let host: BootedHost;
  beforeAll(async () => {
    host = await bootHost('half', { archive });
    await host.machine.nextBoot();
  });
  afterAll(() => host.stop());

  it('It is whole after the next boot.', async () => {
    const { machine } = host;
    const half = await machine.read(`
      until [ -e /opt/.batchwell.new/bin ]; do sleep 0.1; done
      ${OURS}`);
    expect(half).toBe('.batchwell.new');
    const fetched = fetchesOf(host);
    await machine.cutPower();
    await host.ready();
    expect(await leadOverAgent(host)).toBeGreaterThan(0);
    expect(fetchesOf(host)).toBeGreaterThan(fetched);
    expect(host.joined).toHaveLength(1);
    expect(await machine.read(OURS)).toBe('batchwell');
  });
});

/** The same on the console and in CloudWatch, before it switched itself off without a call of its agent. */
async function lastWords({ machine, aws, joined }: BootedHost): Promise<string> {
  await machine.off;
  expect(joined).toEqual([]);
  const put = aws.seen.find(({ target }) => target === 'Logs_20140328.PutLogEvents');
  const { logEvents: events } = JSON.parse(put?.body ?? '{}') as {
    logEvents?: { message: string }[];
  };
  const message = events?.[0]?.message ?? '';
  expect(machine.console()).toContain(message);
  return message;
}

describe('A host that is not whole says why, shuts down, and never joins', () => {
  let host: BootedHost;
  afterEach(() => host.stop());

  it('A release with another SHA-256 than the launch template says.', async () => {
    host = await bootHost('sha256', {
      archive,
      prepare({ aws }, release) {
        aws.objects.set(`releases/${release}/${ARCHIVE}`, Buffer.from('another archive'));
      },
    });
    expect(await lastWords(host)).toMatch(/another SHA-256 than the release says/);
  });

  it('An AMI without an agent.', async () => {
    host = await bootHost('no-agent', { archive, without: '/etc/systemd/system/ecs.service' });
    expect(await lastWords(host)).toMatch(/The AMI has no ecs\.service/);
  });

  it('A volume for the tasks that is not the one of the launch template.', async () => {
    const parameters = { DiskGiB: String(VOLUME_GIB + 10) };
    host = await bootHost('other-volume', { archive, parameters });
    expect(await lastWords(host)).toMatch(
      /There is no empty volume of 60 GiB.* Seen: .*50 GiB, blank/,
    );
  });
});
