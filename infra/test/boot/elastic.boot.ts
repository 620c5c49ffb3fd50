/** A host of the mode `elastic`, whole, with an EC2 that attaches volumes to its machine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GIB } from '../../../packages/disk/rules/policy.ts';
import { bootHost, buildRelease, type BootedHost } from './boot-world.ts';
import { makeImages, PLAIN, runAsTask } from './containers.ts';
import { serveHost } from './ec2.ts';
import { reached, SHUT_OUT } from './reach.ts';

/** What the launch template adds, and the least growth. */
const FIRST_GIB = 100;
/** The filler comes within a second: ten minutes at that rate would be the largest volume that there is. */
const MAX_GIB = 300;
const MIB = 1_048_576;
const FILE_MIB = 16;
const FILES = 24;
/** Less than what is written. It is also less than what lets tasks run while the disk grows. */
const FREE_MIB = 256;

/** Takes all room but FREE_MIB, writes past it, and reads again what it has written. */
const writer = (freeBytes: number): string => `set -e
cd /
b=busybox
$b yes 'what a task writes' | $b head -c ${FILE_MIB * MIB} >base
$b fallocate -l ${freeBytes - FREE_MIB * MIB} filler
for i in $($b seq ${FILES}); do
  { echo $i; cat base; } | $b dd of=f$i bs=1M iflag=fullblock conv=fsync 2>said || { cat said; exit 1; }
done
for i in $($b seq ${FILES}); do
  { echo $i; cat base; } | $b cmp - f$i
done`;

const bytesOf = async ({ machine }: BootedHost, what: 'size' | 'avail'): Promise<number> =>
  Number(await machine.read(`df -B1 --output=${what} /var/lib/docker | tail -n 1`));

describe('A host of the mode elastic', () => {
  let host: BootedHost;
  let ec2: Awaited<ReturnType<typeof serveHost>>;
  beforeAll(async () => {
    const parameters = {
      DiskMode: 'elastic',
      DiskMaxGiB: String(MAX_GIB),
      InstanceTypes: 'm6i.large',
    };
    const archive = await buildRelease();
    host = await bootHost('elastic', { archive, parameters, volumeGiB: FIRST_GIB });
    ec2 = await serveHost(host);
    await host.machine.nextBoot();
    await host.ready();
    await makeImages(host.machine);
  });
  afterAll(async () => {
    await ec2.close();
    await host.stop();
  });

  it('A container writes past the first volume and does not notice.', async () => {
    const { machine } = host;
    expect(Math.ceil((await bytesOf(host, 'size')) / GIB)).toBe(FIRST_GIB);
    const script = writer(await bytesOf(host, 'avail'));
    expect(await runAsTask(machine, 'big', PLAIN, ['sh', '-c', script])).toEqual({
      code: 0,
      out: '',
    });
    expect(Math.ceil((await bytesOf(host, 'size')) / GIB)).toBe(MAX_GIB);
    expect(ec2.volumes()).toEqual([
      expect.objectContaining({
        sizeGiB: MAX_GIB - FIRST_GIB,
        tags: expect.objectContaining({ Lab: 'Genomics' }),
        attachment: expect.objectContaining({ isProtected: true }),
      }),
    ]);
    expect(ec2.violations).toEqual([]);
  });

  it('The growth took no more than six requests to EC2.', () => {
    const growth = ec2.actions().slice(ec2.actions().indexOf('ec2:CreateVolume'));
    expect(growth.length).toBeLessThanOrEqual(6);
    expect(growth).toEqual(
      expect.arrayContaining(['ec2:AttachVolume', 'ec2:ModifyInstanceAttribute']),
    );
  });

  it('Its tasks do not reach the metadata that its daemon reads.', async () => {
    expect(await reached(host, 'e')).toEqual(SHUT_OUT);
  });
});
