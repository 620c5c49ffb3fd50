/** The tags of a volume: ours, and those of the instance, so that costs are counted where they belong. */

/** The permissions of hosts are bound to this one; its value is the stack. */
export const STACK_TAG = 'batchwell:disk';
/** The instance that made the volume. */
export const HOST_TAG = 'batchwell:host';
export const TOKEN_TAG = 'batchwell:growth';

const OURS: readonly string[] = [STACK_TAG, HOST_TAG, TOKEN_TAG];
/** Of EC2, for one resource. */
const MOST_TAGS = 50;
const MOST_KEY = 128;
const MOST_VALUE = 256;

export interface VolumeTag {
  Key: string;
  Value: string;
}

interface Owner {
  stack: string;
  instanceId: string;
  token: string;
}

export interface Tagged {
  tags: VolumeTag[];
  /** Tags of the instance that a volume cannot have, with the reason. */
  skipped: string[];
}

/**
 * Ours first, then those of the instance in their order. Text is passed as it is: commas, quotes, and
 * any script. A tag that EC2 would refuse is left out and named, because it would refuse the volume.
 */
export function tagsOf(owner: Owner, ofInstance: Readonly<Record<string, string>>): Tagged {
  const tags = [
    { Key: STACK_TAG, Value: owner.stack },
    { Key: HOST_TAG, Value: owner.instanceId },
    { Key: TOKEN_TAG, Value: owner.token },
  ];
  const skipped: string[] = [];
  for (const [key, value] of Object.entries(ofInstance)) {
    const problem = problemOf(key, value, tags.length);
    if (problem === undefined) tags.push({ Key: key, Value: value });
    else if (problem !== '') skipped.push(`The tag ${JSON.stringify(key)} ${problem}.`);
  }
  return { tags, skipped };
}

/** Empty: it is left out and need not be named. */
function problemOf(key: string, value: string, count: number): string | undefined {
  if (OURS.includes(key) || /^aws:/i.test(key)) return '';
  if (count >= MOST_TAGS) return `is beyond the ${MOST_TAGS} tags that a volume can have`;
  if (key === '' || key.length > MOST_KEY) return `has a key of ${key.length} characters`;
  if (value.length > MOST_VALUE) return `has a value of ${value.length} characters`;
  return undefined;
}
