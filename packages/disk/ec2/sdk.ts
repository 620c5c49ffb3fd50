/** EC2 through the SDK. Only what is imported here by name comes into the bundle, in a file of its own. */
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DeleteVolumeCommand,
  DescribeVolumesCommand,
  DetachVolumeCommand,
  EC2Client,
  ModifyInstanceAttributeCommand,
  type DescribeVolumesCommandInput,
  type Volume,
  type VolumeAttachment,
} from '@aws-sdk/client-ec2';
import type { SeenVolume } from '../rules/facts.ts';
import type { Ec2Client, NewVolume, VolumeQuery } from './requests.ts';

/** Who waits longer than this asks again: EC2 answers within a second or two. */
const ANSWER_MS = 10_000;
const MOST_PAGES = 20;

const patience = (): { abortSignal: AbortSignal } => ({
  abortSignal: AbortSignal.timeout(ANSWER_MS),
});

/** Retries are decided in rules/, where deadlines and the brake are known. */
export const openEc2 = (region: string): Ec2Client =>
  ec2ClientOver(
    new EC2Client({
      region,
      maxAttempts: 1,
      requestHandler: { requestTimeout: ANSWER_MS, connectionTimeout: 3_000 },
    }),
  );

/**
 * Over a client with credentials and retries of its own. Pages of a describe count as one request in the journal, but
 * not for EC2.
 */
export function ec2ClientOver(client: EC2Client): Ec2Client {
  return {
    createVolume: async (volume) => {
      const made = await client.send(new CreateVolumeCommand(inputOf(volume)), patience());
      if (made.VolumeId === undefined) throw new Error('CreateVolume named no volume.');
      return made.VolumeId;
    },
    attachVolume: async (VolumeId, InstanceId, Device) => {
      const input = { VolumeId, InstanceId, Device };
      await client.send(new AttachVolumeCommand(input), patience());
    },
    protect: async (InstanceId, DeviceName) => {
      const BlockDeviceMappings = [{ DeviceName, Ebs: { DeleteOnTermination: true } }];
      const command = new ModifyInstanceAttributeCommand({ InstanceId, BlockDeviceMappings });
      await client.send(command, patience());
    },
    detachVolume: async (VolumeId) => {
      await client.send(new DetachVolumeCommand({ VolumeId }), patience());
    },
    deleteVolume: async (VolumeId) => {
      await client.send(new DeleteVolumeCommand({ VolumeId }), patience());
    },
    describeVolumes: async (query) => {
      const volumes: SeenVolume[] = [];
      let NextToken: string | undefined;
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const input = { ...describeInput(query), ...(NextToken && { NextToken }) };
        const seen = await client.send(new DescribeVolumesCommand(input), patience());
        volumes.push(...(seen.Volumes ?? []).flatMap(seenOf));
        NextToken = seen.NextToken;
        if (!NextToken) break;
      }
      return volumes;
    },
  };
}

const inputOf = ({ token, sizeGiB, zone, iops, throughput, kmsKeyArn, tags }: NewVolume) => ({
  ClientToken: token,
  AvailabilityZone: zone,
  Size: sizeGiB,
  VolumeType: 'gp3' as const,
  Iops: iops,
  Throughput: throughput,
  Encrypted: true,
  ...(kmsKeyArn !== '' && { KmsKeyId: kmsKeyArn }),
  TagSpecifications: [{ ResourceType: 'volume' as const, Tags: [...tags] }],
});

function describeInput({ ids, tags, state, zone }: VolumeQuery): DescribeVolumesCommandInput {
  // A page of volumes and ids cannot be asked for together.
  if (ids !== undefined) return { VolumeIds: [...ids] };
  const filters = [
    ...Object.entries(tags ?? {}).map(([key, value]) => [`tag:${key}`, value] as const),
    ...(state === undefined ? [] : [['status', state] as const]),
    ...(zone === undefined ? [] : [['availability-zone', zone] as const]),
  ];
  return {
    MaxResults: 500,
    Filters: filters.map(([Name, value]) => ({ Name, Values: [value] })),
  };
}

function seenOf(volume: Volume): SeenVolume[] {
  const { VolumeId, Size = 0, State = '', AvailabilityZone = '', CreateTime } = volume;
  if (VolumeId === undefined) return [];
  const { Tags = [], Attachments: [attachment] = [] } = volume;
  return [
    {
      volumeId: VolumeId,
      sizeGiB: Size,
      state: State,
      zone: AvailabilityZone,
      // One without a time counts as new: it is not deleted.
      createdMs: CreateTime?.getTime() ?? Number.MAX_SAFE_INTEGER,
      tags: Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [Key, Value])),
      attachment: attachment ? attachmentOf(attachment) : null,
    },
  ];
}

const attachmentOf = ({
  InstanceId = '',
  Device = '',
  DeleteOnTermination = false,
}: VolumeAttachment) => ({
  instanceId: InstanceId,
  deviceName: Device,
  protected: DeleteOnTermination,
});
