/** From an action of decideDisk to requests of EC2, and from their answers to an outcome. */
import type { Ec2Action, Ec2Outcome, Ec2Refusal } from '../rules/action.ts';
import type { SeenVolume } from '../rules/facts.ts';
import type { Growth } from '../rules/journal.ts';
import type { Policy } from '../rules/policy.ts';
import { HOST_TAG, STACK_TAG, type VolumeTag } from '../rules/tags.ts';
import { refusalOf, type Ec2Error } from './errors.ts';

export interface NewVolume {
  token: string;
  sizeGiB: number;
  zone: string;
  iops: number;
  throughput: number;
  kmsKeyArn: string;
  tags: readonly VolumeTag[];
}

export interface VolumeQuery {
  ids?: readonly string[];
  tags?: Readonly<Record<string, string>>;
  state?: string;
  zone?: string;
}

/** The six requests; each fails with an Ec2Error. Each is sent once: who asks again decides it. */
export interface Ec2Client {
  createVolume(volume: NewVolume): Promise<string>;
  attachVolume(volumeId: string, instanceId: string, deviceName: string): Promise<void>;
  /** Sets DeleteOnTermination. */
  protect(instanceId: string, deviceName: string): Promise<void>;
  detachVolume(volumeId: string): Promise<void>;
  deleteVolume(volumeId: string): Promise<void>;
  describeVolumes(query: VolumeQuery): Promise<SeenVolume[]>;
}

export interface Owner {
  instanceId: string;
  zone: string;
  policy: Policy;
  /** Of a volume for this growth. */
  tagsFor(token: string): readonly VolumeTag[];
}

const IAM_ACTIONS = {
  create: 'ec2:CreateVolume',
  attach: 'ec2:AttachVolume',
  protect: 'ec2:ModifyInstanceAttribute',
  detach: 'ec2:DetachVolume',
  delete: 'ec2:DeleteVolume',
  describe: 'ec2:DescribeVolumes',
} as const satisfies Record<Ec2Action['do'], string>;

export async function performEc2(
  client: Ec2Client,
  action: Ec2Action,
  growth: Growth | null,
  owner: Owner,
): Promise<Ec2Outcome> {
  try {
    return await perform(client, action, growth, owner);
  } catch (error) {
    const refusal = refusalOf(asEc2Error(error), IAM_ACTIONS[action.do]);
    return action.do === 'attach' && growth?.at === 'created'
      ? afterAttach(client, refusal, growth, owner)
      : refusal;
  }
}

async function perform(
  client: Ec2Client,
  action: Ec2Action,
  growth: Growth | null,
  owner: Owner,
): Promise<Ec2Outcome> {
  switch (action.do) {
    case 'detach':
      await client.detachVolume(action.volumeId);
      return { is: 'done' };
    case 'delete':
      await client.deleteVolume(action.volumeId);
      return { is: 'done' };
    case 'describe':
      return {
        is: 'described',
        volumes: await client.describeVolumes(queryOf(action.which, owner)),
      };
    default:
      return growth === null
        ? { ...NOTHING_TO_DO, action: IAM_ACTIONS[action.do] }
        : performStep(client, growth, owner);
  }
}

const NOTHING_TO_DO: Omit<Ec2Refusal, 'action'> = {
  is: 'refused',
  kind: 'other',
  isDoubtful: false,
  sentence: 'No growth is under way.',
};

async function performStep(client: Ec2Client, growth: Growth, owner: Owner): Promise<Ec2Outcome> {
  const { instanceId, policy, zone } = owner;
  const { token, sizeGiB, deviceName } = growth;
  if (growth.at === 'planned') {
    const { iops, throughput, kmsKeyArn } = policy;
    const tags = owner.tagsFor(token);
    return {
      is: 'created',
      volumeId: await client.createVolume({
        token,
        sizeGiB,
        zone,
        iops,
        throughput,
        kmsKeyArn,
        tags,
      }),
    };
  }
  if (growth.at === 'created') {
    await client.attachVolume(growth.volumeId, instanceId, deviceName);
    return { is: 'attached', deviceName };
  }
  await client.protect(instanceId, deviceName);
  return { is: 'done' };
}

const queryOf = (which: 'own' | 'unused', { policy, instanceId, zone }: Owner): VolumeQuery => ({
  tags: { [STACK_TAG]: policy.stack, ...(which === 'own' && { [HOST_TAG]: instanceId }) },
  ...(which === 'unused' && { state: 'available', zone }),
});

/**
 * AttachVolume has no token. After an answer that was lost, the next one says that the volume, or the
 * name, is in use: EC2 is asked by whom. The name must be right, because protect goes by it.
 */
async function afterAttach(
  client: Ec2Client,
  refusal: Ec2Refusal,
  { volumeId, isDoubtful }: Growth & { volumeId: string },
  { instanceId }: Owner,
): Promise<Ec2Outcome> {
  const isInUse = refusal.sentence.includes(': VolumeInUse:');
  // A new volume is not known everywhere at once.
  if (refusal.kind === 'gone') return { ...refusal, kind: 'not-yet' };
  if (!isInUse && !(refusal.kind === 'name-taken' && isDoubtful)) return refusal;
  try {
    const volumes = await client.describeVolumes({ ids: [volumeId] });
    const attachment = volumes.find((one) => one.volumeId === volumeId)?.attachment;
    if (attachment?.instanceId === instanceId)
      return { is: 'attached', deviceName: attachment.deviceName };
    return isInUse ? { ...refusal, kind: 'not-yet' } : refusal;
  } catch (error) {
    return refusalOf(asEc2Error(error), IAM_ACTIONS.describe);
  }
}

export function asEc2Error(error: unknown): Ec2Error {
  if (!(error instanceof Error)) return { name: 'Unknown', message: String(error), status: 0 };
  const { $metadata: metadata } = error as { $metadata?: { httpStatusCode?: number } };
  const { status } = error as { status?: unknown };
  return {
    name: error.name,
    message: error.message,
    status: typeof status === 'number' ? status : (metadata?.httpStatusCode ?? 0),
  };
}
