/** aws:teardown: what goes, what stays, and how it says so. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { IMAGE, makeRelease, run, runUntil, type Ran } from './command.ts';
import { playAws, type PlayedAws } from './played-aws.ts';

let aws: PlayedAws;

beforeEach(async () => {
  aws = await playAws();
});

afterEach(async () => {
  await aws.stop();
});

async function deploy(...more: string[]): Promise<Ran> {
  const least = ['--no-hello', '--image', IMAGE, '--host-release', makeRelease(aws).folder];
  return await run(aws, 'deploy', ...least, ...more);
}
const tearDown = async (...more: string[]): Promise<Ran> => await run(aws, 'teardown', ...more);
const left = (): string[] =>
  aws.stacks.all.filter(({ status }) => status !== 'DELETE_COMPLETE').map(({ name }) => name);

it('Without --yes it deletes nothing, and says what would go and what would stay.', async () => {
  await deploy('--email', 'ops@example.org');
  const { code, out, err } = await tearDown();
  expect(code).toBe(1);
  expect(err).toContain('--yes');
  expect(out).toContain('Deletes: batchwell-watch, batchwell-service, batchwell.');
  for (const stays of ['workbucket', 'releasebucket', 'imagerepository', 'databasecluster'])
    expect(out).toContain(stays);
  expect(out).toContain('batchwell-network (the network: the database is in it)');
  expect(left()).toHaveLength(4);
});

it('It deletes in the order in which nothing is in use, and keeps the network of the database.', async () => {
  await deploy('--email', 'ops@example.org');
  const { code, out } = await tearDown('--yes');
  expect(code).toBe(0);
  expect(left()).toEqual(['batchwell-network']);
  expect(out).toContain('kept     DatabaseCluster (AWS::RDS::DBCluster)');
  expect(out).toContain('kept     WorkBucket (AWS::S3::Bucket)');
});

it('Volumes that hosts left behind go too, and those of other stacks stay.', async () => {
  await deploy('--core-only');
  aws.volumes.set('vol-ours', 'batchwell').set('vol-theirs', 'another');
  const { code, out } = await tearDown('--yes');
  expect(code).toBe(0);
  expect(out).toContain('vol-ours (100 GiB, eu-west-1a) is deleted.');
  expect([...aws.volumes.keys()]).toEqual(['vol-theirs']);
});

it('Without a database the network goes too.', async () => {
  await deploy('--core-only');
  expect((await tearDown('--yes')).code).toBe(0);
  expect(left()).toEqual([]);
});

it('The commands for what stays are in the order in which AWS takes them.', async () => {
  await deploy();
  const { out } = await tearDown();
  const at = (text: string) => out.indexOf(text);
  const order = [
    'aws rds delete-db-instance',
    'aws rds delete-db-cluster ',
    'aws rds delete-db-subnet-group',
    'aws ec2 delete-security-group',
    'aws cloudformation delete-stack --stack-name batchwell-network',
  ];
  expect(order.map(at).every((position) => position > 0)).toBe(true);
  expect(order.map(at).toSorted((a, b) => a - b)).toEqual(order.map(at));
});

it('A deletion that fails is tried once more, and then its reason is shown.', async () => {
  await deploy('--core-only');
  aws.stacks.failures.set('SpotEnvironment', 'It is still in use');
  expect((await tearDown('--yes')).code).toBe(0);
  expect(left()).toEqual([]);
  await deploy('--core-only');
  aws.stacks.failures
    .set('SpotEnvironment', 'It is still in use')
    .set('OnDemandEnvironment', 'It is in use as well');
  const { code, err } = await tearDown('--yes');
  expect(code).toBe(1);
  expect(err).toMatch(/The stack batchwell is DELETE_FAILED:\n {2}\w+ .*It is/);
});

it('Run again after Ctrl-C it goes on, and at last there is nothing.', async () => {
  await deploy('--core-only');
  const first = await runUntil(aws, 'Deleting batchwell', ['teardown', '--yes']);
  expect(first.code).toBe(130);
  expect(left()).toContain('batchwell');
  expect((await tearDown('--yes')).code).toBe(0);
  expect((await tearDown('--yes')).out).toContain('There is no stack of batchwell');
});

it('A fleet of another name is left alone.', async () => {
  await deploy('--core-only');
  await tearDown('--yes', '--name', 'lab-2');
  expect(left()).toEqual(['batchwell-network', 'batchwell']);
});
