/** What the disk daemon asks of EC2 is allowed to hosts of its stack, on what is theirs, and nothing else is. */
import { expect, it } from 'vitest';
import { performEc2, type Ec2Client, type Owner } from '../../packages/disk/ec2/requests.ts';
import { emptyJournal, type Growth } from '../../packages/disk/rules/journal.ts';
import { readPolicy } from '../../packages/disk/rules/policy.ts';
import { recordQuick } from '../../packages/disk/rules/record.ts';
import { tagsOf } from '../../packages/disk/rules/tags.ts';
import type { IamRequest } from './iam-requests.ts';
import { verdict } from './verdict.ts';
import { deploy, policiesOf, wordsOf } from './world.ts';

const volume = 'arn:aws:ec2:eu-west-1:111122223333:volume/vol-1';
const instance = 'arn:aws:ec2:eu-west-1:111122223333:instance/i-1';
const OURS = { 'aws:ResourceTag/batchwell:disk': 'batchwell' };

const statementsOf = (parameters = {}) =>
  policiesOf(deploy('core', parameters))
    .filter(({ id }) => id === 'DiskPolicy')
    .flatMap(({ statements }) => statements);

/** As the service authorization reference of 2026 has it. */
function noting(asked: IamRequest[]): Ec2Client {
  const need = (action: string, resource: string, context = {}): void => {
    asked.push({ action, resource, context });
  };
  return {
    createVolume: async ({ tags }) => {
      const requested = Object.fromEntries(
        tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value]),
      );
      need('ec2:CreateVolume', volume, requested);
      need('ec2:CreateTags', volume, { ...requested, 'ec2:CreateAction': 'CreateVolume' });
      return 'vol-1';
    },
    attachVolume: async () => {
      need('ec2:AttachVolume', volume, OURS);
      need('ec2:AttachVolume', instance, OURS);
    },
    protect: async () => need('ec2:ModifyInstanceAttribute', instance, OURS),
    detachVolume: async () => {
      need('ec2:DetachVolume', volume, OURS);
      need('ec2:DetachVolume', instance, OURS);
    },
    deleteVolume: async () => need('ec2:DeleteVolume', volume, OURS),
    describeVolumes: async () => {
      need('ec2:DescribeVolumes', '*');
      return [];
    },
  };
}

async function everyRequest(): Promise<IamRequest[]> {
  const asked: IamRequest[] = [];
  const read = readPolicy({ DISK_MODE: 'elastic', STACK: 'batchwell' });
  if ('problems' in read) throw new Error(read.problems.join());
  const owner: Owner = {
    instanceId: 'i-1',
    zone: 'eu-west-1a',
    policy: read.policy,
    tagsFor: (token) => tagsOf({ stack: 'batchwell', instanceId: 'i-1', token }, { a: 'b' }).tags,
  };
  const { growth } = recordQuick(
    emptyJournal('i-1'),
    { do: 'plan', sizeGiB: 100, deviceName: '/dev/xvdba', reason: '' },
    { nowMs: 0, chance: 0, token: 't' },
  );
  const at = (state: 'created' | 'attached') =>
    ({ ...growth, at: state, volumeId: 'vol-1' }) as Growth;
  const client = noting(asked);
  await performEc2(client, { do: 'create' }, growth, owner);
  await performEc2(client, { do: 'attach' }, at('created'), owner);
  await performEc2(client, { do: 'protect' }, at('attached'), owner);
  await performEc2(client, { do: 'detach', volumeId: 'vol-1' }, null, owner);
  await performEc2(client, { do: 'delete', volumeId: 'vol-1' }, null, owner);
  await performEc2(client, { do: 'describe', which: 'own' }, null, owner);
  return asked;
}

it('Every request of the daemon is allowed, and every permission was asked for.', async () => {
  const requests = await everyRequest();
  for (const request of requests)
    expect([request.action, request.resource, await verdict(request, statementsOf())]).toEqual([
      request.action,
      request.resource,
      'Allowed',
    ]);
  const granted = statementsOf().flatMap(({ Action }) => wordsOf(Action));
  expect(new Set(granted)).toEqual(new Set(requests.map(({ action }) => action)));
});

it('Nothing is allowed on volumes and instances of others.', async () => {
  for (const { action, resource, context } of await everyRequest()) {
    if (action === 'ec2:DescribeVolumes') continue;
    for (const other of [{}, { tag: 'another' }]) {
      const tags = Object.fromEntries(
        Object.keys(context)
          .filter((key) => key.endsWith('batchwell:disk'))
          .flatMap((key) => ('tag' in other ? [[key, other.tag]] : [])),
      ) as Record<string, string>;
      expect(await verdict({ action, resource, context: tags }, statementsOf()), action).toBe(
        'ImplicitlyDenied',
      );
    }
  }
});

it('A volume that exists cannot be given the tag.', async () => {
  const context = { 'aws:RequestTag/batchwell:disk': 'batchwell' };
  expect(
    await verdict({ action: 'ec2:CreateTags', resource: volume, context }, statementsOf()),
  ).toBe('ImplicitlyDenied');
});

it('A key of the customer is used through EC2 only.', () => {
  const key = 'arn:aws:kms:eu-west-1:111122223333:key/1';
  const uses = statementsOf({ Encryption: 'KMS', KmsKeyArn: key }).filter(
    ({ Sid }) => Sid === 'EncryptVolumes',
  );
  // Whether it is allowed is also for the policy of the key to say, which the simulator asks for.
  expect(uses).toMatchObject([
    {
      Resource: key,
      Condition: { StringEquals: { 'kms:ViaService': 'ec2.eu-west-1.amazonaws.com' } },
    },
  ]);
  expect(statementsOf().map(({ Sid }) => Sid)).not.toContain('EncryptVolumes');
});
