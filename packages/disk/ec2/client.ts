/** EC2 through the SDK. It is loaded at the first request: an idle daemon does without its memory. */
import type * as Sdk from '@aws-sdk/client-ec2';
import type * as Used from './sdk.ts';
import type { SeenVolume } from '../rules/facts.ts';
import type { Ec2Client, NewVolume, VolumeQuery } from './requests.ts';

/** Who waits longer than this asks again: EC2 answers within a second or two. */
const ANSWER_MS = 10_000;
const MOST_PAGES = 20;

interface Opened {
  sdk: typeof Used;
  client: Sdk.EC2Client;
}

const patience = (): { abortSignal: AbortSignal } => ({
  abortSignal: AbortSignal.timeout(ANSWER_MS),
});

export function ec2Client(region: string): Ec2Client {
  let opened: Opened | undefined;
  return clientOf(async () => {
    if (opened) return opened;
    const sdk = await import('./sdk.ts');
    // Retries are decided in rules/, where deadlines and the brake are known.
    const client = new sdk.EC2Client({
      region,
      maxAttempts: 1,
      requestHandler: { requestTimeout: ANSWER_MS, connectionTimeout: 3_000 },
    });
    opened = { sdk, client };
    return opened;
  });
}

/** For who has a client of the SDK already, with its own credentials and retries. */
export const ec2ClientOver = (client: Sdk.EC2Client): Ec2Client =>
  clientOf(async () => ({ sdk: await import('./sdk.ts'), client }));

/** Pages of a describe count as one request in the journal, but not for EC2. */
function clientOf(open: () => Promise<Opened>): Ec2Client {
  return {
    createVolume: async (volume) => {
      const { sdk, client } = await open();
      const made = await client.send(new sdk.CreateVolumeCommand(inputOf(volume)), patience());
      if (made.VolumeId === undefined) throw new Error('CreateVolume named no volume.');
      return made.VolumeId;
    },
    attachVolume: async (VolumeId, InstanceId, Device) => {
      const { sdk, client } = await open();
      const input = { VolumeId, InstanceId, Device };
      await client.send(new sdk.AttachVolumeCommand(input), patience());
    },
    protect: async (InstanceId, DeviceName) => {
      const { sdk, client } = await open();
      const BlockDeviceMappings = [{ DeviceName, Ebs: { DeleteOnTermination: true } }];
      const command = new sdk.ModifyInstanceAttributeCommand({ InstanceId, BlockDeviceMappings });
      await client.send(command, patience());
    },
    detachVolume: async (VolumeId) => {
      const { sdk, client } = await open();
      await client.send(new sdk.DetachVolumeCommand({ VolumeId }), patience());
    },
    deleteVolume: async (VolumeId) => {
      const { sdk, client } = await open();
      await client.send(new sdk.DeleteVolumeCommand({ VolumeId }), patience());
    },
    describeVolumes: async (query) => {
      const { sdk, client } = await open();
      const volumes: SeenVolume[] = [];
      let NextToken: string | undefined;
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const input = { ...describeInput(query), ...(NextToken && { NextToken }) };
        const seen = await client.send(new sdk.DescribeVolumesCommand(input), patience());
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

function describeInput({ ids, tags, state, zone }: VolumeQuery): Sdk.DescribeVolumesCommandInput {
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

function seenOf(volume: Sdk.Volume): SeenVolume[] {
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
}: Sdk.VolumeAttachment) => ({
  instanceId: InstanceId,
  deviceName: Device,
  protected: DeleteOnTermination,
});
