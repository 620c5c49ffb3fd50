/** `batchwell-disk sweep`: deletes the volumes of a stack that no host uses. For people, and tear-down. */
import { refusalOf } from './ec2/errors.ts';
import { asEc2Error, type Ec2Client } from './ec2/requests.ts';
import { isUnused } from './rules/decide.ts';
import { STACK_TAG } from './rules/tags.ts';

export interface Sweep {
  stack: string;
  isDryRun: boolean;
  nowMs: number;
  say(line: string): void;
}

/** How many volumes are left that should not be. */
export async function sweep(
  client: Ec2Client,
  { stack, isDryRun, nowMs, say }: Sweep,
): Promise<number> {
  const found = await client.describeVolumes({ tags: { [STACK_TAG]: stack }, state: 'available' });
  // EC2's filter is not believed: what is deleted is gone.
  const unused = found.filter((volume) => isUnused(volume, stack, nowMs));
  const young = found.filter((volume) => volume.tags[STACK_TAG] === stack).length - unused.length;
  let left = 0;
  for (const { volumeId, sizeGiB, zone } of unused) {
    const what = `${volumeId} (${sizeGiB} GiB, ${zone})`;
    if (isDryRun) {
      left += 1;
      say(`${what} is used by nobody.`);
      continue;
    }
    try {
      await client.deleteVolume(volumeId);
      say(`${what} is deleted.`);
    } catch (error) {
      left += 1;
      say(`${what} is not deleted: ${refusalOf(asEc2Error(error), 'ec2:DeleteVolume').sentence}`);
    }
  }
  if (young > 0) say(`${young} more are younger than an hour: a host may be about to use them.`);
  if (unused.length === 0) say(`No volume of ${stack} is left over.`);
  else if (isDryRun) say('Add --delete to delete them.');
  return left;
}
