/** aws:deploy in a VPC of the customer: which subnets it takes, and which it refuses. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeRelease, run, type Ran } from './command.ts';
import { playAws, type PlayedAws } from './played-aws.ts';

let aws: PlayedAws;

beforeEach(async () => {
  aws = await playAws();
  aws.vpcs['vpc-1'] = {
    cidr: '172.20.0.0/16',
    subnets: [
      { id: 'subnet-public-a', zone: 'a', routes: ['igw'] },
      { id: 'subnet-private-a', zone: 'a', routes: ['nat', 's3'] },
      { id: 'subnet-private-b', zone: 'b', routes: ['nat'] },
      { id: 'subnet-closed-a', zone: 'a', routes: ['s3'] },
      { id: 'subnet-closed-b', zone: 'b', routes: ['s3'] },
      { id: 'subnet-alone', zone: 'b', routes: [] },
    ],
  };
});

afterEach(async () => {
  await aws.stop();
});

const deploy = async (...more: string[]): Promise<Ran> =>
  await run(aws, 'deploy', '--core-only', '--host-release', makeRelease(aws).folder, ...more);
const subnets = () => aws.stacks.find('batchwell')?.parameters['SubnetIds'];

it('Of a VPC it takes the private subnets with a route out, and creates no network.', async () => {
  const { code } = await deploy('--vpc', 'vpc-1');
  expect(code).toBe(0);
  expect(subnets()).toBe('subnet-private-a,subnet-private-b');
  expect(aws.stacks.find('batchwell-network')).toBeUndefined();
});

it('Subnets can be named alone, and may have endpoints only.', async () => {
  const { code } = await deploy('--subnets', 'subnet-closed-a,subnet-closed-b');
  expect(code).toBe(0);
  expect(aws.stacks.find('batchwell')?.parameters).toMatchObject({
    VpcId: 'vpc-1',
    SubnetIds: 'subnet-closed-a,subnet-closed-b',
  });
});

it('The VPC of the last time stays, without being named.', async () => {
  await deploy('--vpc', 'vpc-1');
  const { code } = await deploy('--core', 'SpotMaxVcpus=8');
  expect(code).toBe(0);
  expect(subnets()).toBe('subnet-private-a,subnet-private-b');
  expect(aws.stacks.find('batchwell-network')).toBeUndefined();
});

it('A fleet stays in its VPC, also where a network of ours was created before.', async () => {
  await deploy();
  await deploy('--vpc', 'vpc-1');
  const { code } = await deploy('--core', 'SpotMaxVcpus=8');
  expect(code).toBe(0);
  expect(aws.stacks.find('batchwell')?.parameters['VpcId']).toBe('vpc-1');
});

it.each([
  [
    'a subnet without a route to S3',
    ['--subnets', 'subnet-private-a,subnet-alone'],
    /subnet-alone has no route to S3/,
  ],
  [
    'a public subnet',
    ['--subnets', 'subnet-public-a,subnet-private-b'],
    /subnet-public-a has a route to an internet gateway/,
  ],
  ['one zone', ['--subnets', 'subnet-private-a,subnet-closed-a'], /all in a\. .*need two zones/],
  ['a subnet that does not exist', ['--subnets', 'subnet-x'], /--subnets subnet-x.*does not exist/],
  [
    'a subnet of another VPC',
    ['--vpc', 'vpc-1', '--subnets', 'subnet-y'],
    /subnet-y is not in vpc-1/,
  ],
  ['a VPC that does not exist', ['--vpc', 'vpc-9'], /--vpc vpc-9: there is no such VPC/],
])('It refuses %s before anything is created.', async (_, options, sentence) => {
  const { code, err } = await deploy(...options);
  expect(code).toBe(1);
  expect(err).toMatch(sentence);
  expect(aws.stacks.all).toEqual([]);
});

it('A VPC without private subnets is refused, and each subnet is named with its reason.', async () => {
  aws.vpcs['vpc-1']!.subnets = aws.vpcs['vpc-1']!.subnets.filter(({ id }) =>
    /public|alone/.test(id),
  );
  const { err } = await deploy('--vpc', 'vpc-1');
  expect(err).toMatch(/subnet-public-a \(.*\), subnet-alone \(.*\)\. Give --subnets/);
});
