/** aws:deploy against a played AWS: from an empty account to a task that ran, and again after each failure. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  IMAGE,
  makeRelease,
  putReleased,
  releasedKeys,
  run,
  runUntil,
  startProgram,
  type Ran,
} from './command.ts';
import { playAws, type PlayedAws } from './played-aws.ts';

let aws: PlayedAws;
let least: string[];
let release: string;

beforeEach(async () => {
  aws = await playAws();
  const { folder, name } = makeRelease(aws);
  release = name;
  least = ['deploy', '--image', IMAGE, '--host-release', folder];
});

afterEach(async () => {
  await aws.stop();
});

const deploy = async (...more: string[]): Promise<Ran> => await run(aws, ...least, ...more);
const stack = (name: string) => aws.stacks.find(name);
const statuses = () => Object.fromEntries(aws.stacks.all.map(({ name, status }) => [name, status]));
const count = (action: string): number => aws.seen.filter((one) => one === action).length;
const DONE = {
  'batchwell-network': 'CREATE_COMPLETE',
  batchwell: 'CREATE_COMPLETE',
  'batchwell-service': 'CREATE_COMPLETE',
};

describe('an empty account', () => {
  it('One command creates network, core, and service, runs a task, and says where everything is.', async () => {
    const { code, out, err } = await deploy();
    expect([code, err]).toEqual([0, '']);
    expect(statuses()).toEqual(DONE);
    expect(stack('batchwell')?.parameters).toMatchObject({
      HostRelease: release,
      VpcId: stack('batchwell-network')?.outputs['VpcId'],
    });
    expect(stack('batchwell-service')?.parameters).toMatchObject({
      ImageUri: IMAGE,
      CallerCidr: '10.40.0.0/16',
    });
    for (const said of [
      'created  WorkBucket (AWS::S3::Bucket)',
      'Running the migrations',
      'hello succeeded',
      'release-bucket',
      'http://batchwell-service-loadbalancer',
      'aws:teardown',
    ])
      expect(out).toContain(said);
    // The release is in the bucket, whole, under its SHA-256.
    expect(await releasedKeys(aws)).toEqual([
      `releases/${release}/SHA256SUMS`,
      `releases/${release}/batchwell-host-x86_64.tar.gz`,
    ]);
    expect([...aws.linkedRoles]).toContain('spot.amazonaws.com');
  });

  it('The hello task runs in the private subnets, in the group of the service, without a secret in its request.', async () => {
    await deploy('--hello-image', 'lab/echo');
    const request = JSON.stringify(aws.task.request);
    expect(aws.task.request).toMatchObject({
      launchType: 'FARGATE',
      networkConfiguration: {
        awsvpcConfiguration: {
          assignPublicIp: 'DISABLED',
          securityGroups: [stack('batchwell-service')?.outputs['ServiceGroupId']],
        },
      },
    });
    expect(request).toContain('lab/echo');
    expect(request).not.toMatch(/BATCHWELL_TOKEN|secret/i);
  });

  it('With --core-only there is no service and no task, and the end says how to run the fleet.', async () => {
    const { code, out } = await deploy('--core-only');
    expect(code).toBe(0);
    expect(stack('batchwell-service')).toBeUndefined();
    expect(aws.task.request).toBeUndefined();
    expect(out).toContain('npm run batchwell -- up --aws');
  });

  it('With --email the alarms come too, for core and service.', async () => {
    await deploy('--email', 'ops@example.org');
    expect(stack('batchwell-watch')?.parameters).toMatchObject({
      ServiceStack: 'batchwell-service',
      Email: 'ops@example.org',
    });
    // Later runs keep them up to date, with the address of the first.
    await deploy('--watch', 'OldestMessageSeconds=900');
    expect(stack('batchwell-watch')?.parameters).toMatchObject({
      OldestMessageSeconds: '900',
      Email: 'ops@example.org',
    });
  });

  it('Two fleets of different names do not touch each other.', async () => {
    await deploy('--core-only');
    const before = stack('batchwell')?.events.length;
    await deploy('--core-only', '--name', 'lab-2');
    expect(stack('lab-2-network')?.status).toBe('CREATE_COMPLETE');
    expect(stack('batchwell')?.events.length).toBe(before);
  });
});

describe('settings of the fleet', () => {
  const file = (text: string): string => {
    const path = join(aws.folder, 'fleet.env');
    writeFileSync(path, text);
    return path;
  };
  const arn = () => stack('batchwell-service')?.parameters['SettingsFileArn'];

  it('They are in the release bucket by content, and other ones start other tasks.', async () => {
    const path = file('# of the lab\nBATCHWELL_CACHE=readwrite\n');
    expect((await deploy('--settings', path)).code).toBe(0);
    const first = arn();
    expect(first).toMatch(/^arn:aws:s3:::release-bucket\/settings\/[0-9a-f]{64}\.env$/);
    expect(await releasedKeys(aws)).toContain(first?.replace('arn:aws:s3:::release-bucket/', ''));
    await deploy();
    expect(arn()).toBe(first);
    await deploy('--settings', file('BATCHWELL_CACHE=off\n'));
    expect(arn()).not.toBe(first);
  });

  it('Secrets, settings of the template, and lines that are none are named together, without values.', async () => {
    const path = file('BATCHWELL_CACHE=off\nDATABASE_URL=x\nSOME_PASSWORD=hush\nnonsense hush\n');
    const { code, err } = await deploy('--settings', path);
    expect(code).toBe(1);
    expect(err).toMatch(/line 2: DATABASE_URL is set by the template/);
    expect(err).toMatch(/line 3: SOME_PASSWORD is a secret/);
    expect(err).toMatch(/line 4: it must be NAME=value/);
    expect(err).not.toContain('hush');
    expect(aws.stacks.all).toEqual([]);
  });
});

describe('run again', () => {
  it('Nothing is changed where nothing changed, and no change set stays.', async () => {
    await deploy();
    const executed = count('ExecuteChangeSet');
    const { code, out } = await deploy();
    expect(code).toBe(0);
    expect(count('ExecuteChangeSet')).toBe(executed);
    expect(out).toContain('batchwell is as it should be.');
    expect(aws.stacks.all.flatMap(({ changeSets }) => changeSets)).toEqual([]);
  });

  it('Parameters keep their values until others are given.', async () => {
    await deploy('--core-only', '--core', 'DiskGiB=900', '--core', 'SpotMaxVcpus=7');
    await deploy('--core-only', '--core', 'SpotMaxVcpus=8');
    expect(stack('batchwell')?.parameters).toMatchObject({ DiskGiB: '900', SpotMaxVcpus: '8' });
    expect(stack('batchwell')?.status).toBe('UPDATE_COMPLETE');
  });

  it('A new release is in the bucket before hosts can ask for it.', async () => {
    await deploy('--core-only');
    const next = makeRelease(aws, '#!/bin/sh\n# other\nexit 123\n');
    aws.stacks.failures.set('LaunchTemplate', 'no');
    const { code } = await run(aws, 'deploy', '--core-only', '--host-release', next.folder);
    expect(code).toBe(1);
    expect(await releasedKeys(aws)).toContain(`releases/${next.name}/SHA256SUMS`);
    expect(stack('batchwell')?.parameters['HostRelease']).toBe(release);
  });

  it('A release of the bucket is taken by its name, as for a rollback; one that is not there is refused.', async () => {
    await deploy('--core-only');
    expect((await run(aws, 'deploy', '--core-only', '--host-release', release)).code).toBe(0);
    const { code, err } = await run(
      aws,
      'deploy',
      '--core-only',
      '--host-release',
      'ab'.repeat(32),
    );
    expect(code).toBe(1);
    expect(err).toContain(`--host-release ${'ab'.repeat(32)}`);
  });

  it('Where there is a pipeline, the host release is its affair.', async () => {
    expect((await deploy('--core-only', '--pipeline', 'Source=S3')).code).toBe(0);
    expect(stack('batchwell-pipeline')?.parameters).toMatchObject({ CoreStack: 'batchwell' });
    const next = makeRelease(aws, '#!/bin/sh\n# of the pipeline\nexit 123\n');
    await run(aws, 'deploy', '--core-only', '--host-release', next.folder);
    const { code, out } = await run(aws, 'deploy', '--core-only', '--core', 'SpotMaxVcpus=8');
    expect(code).toBe(0);
    expect(out).toContain('stays that of the pipeline');
    expect(stack('batchwell')?.parameters).toMatchObject({
      HostRelease: next.name,
      SpotMaxVcpus: '8',
    });
    expect((await run(aws, 'teardown', '--yes')).code).toBe(0);
    expect(stack('batchwell-pipeline')).toBeUndefined();
  });

  it('A release with other content is never overwritten, and core does not change.', async () => {
    await deploy('--core-only');
    const next = makeRelease(aws, '#!/bin/sh\n# other\nexit 123\n');
    await putReleased(aws, `releases/${next.name}/batchwell-host-x86_64.tar.gz`, 'something else');
    const { code, err } = await run(aws, 'deploy', '--core-only', '--host-release', next.folder);
    expect(code).toBe(1);
    expect(err).toMatch(/batchwell-host-x86_64\.tar\.gz exists with other content/);
    expect(stack('batchwell')?.parameters['HostRelease']).toBe(release);
  });

  it('A bucket or a database is not replaced by accident, and is on demand.', async () => {
    await deploy('--core-only');
    const kms = ['--core', 'Encryption=KMS', '--core', 'KmsKeyArn=arn:aws:kms:eu-west-1:1:key/1'];
    const { code, err } = await deploy('--core-only', ...kms);
    expect(code).toBe(1);
    expect(err).toMatch(/WorkBucket would be replaced.*--replace-data/);
    expect(stack('batchwell')?.status).toBe('CREATE_COMPLETE');
    expect(stack('batchwell')?.changeSets).toEqual([]);
    expect((await deploy('--core-only', '--replace-data', ...kms)).code).toBe(0);
  });
});

describe('failures of CloudFormation', () => {
  it('The reasons are those of the resources, and the next run begins anew.', async () => {
    aws.stacks.failures.set('SpotEnvironment', 'The instance profile is not valid');
    const first = await deploy('--core-only');
    expect(first.code).toBe(1);
    expect(first.err).toContain('The stack batchwell is ROLLBACK_COMPLETE');
    expect(first.err).toContain(
      'SpotEnvironment (AWS::Batch::ComputeEnvironment): The instance profile is not valid',
    );
    expect(first.err).not.toContain('cancelled');
    // The empty buckets of a creation that failed go with it.
    expect(first.err).not.toContain('These stay');
    const second = await deploy('--core-only');
    expect(second.code).toBe(0);
    expect(second.out).toContain('Deleting what is left of it');
    expect(stack('batchwell')?.status).toBe('CREATE_COMPLETE');
  });

  it('What a failed creation leaves behind all the same is named.', async () => {
    aws.stacks.failures.set('WorkerService', 'The circuit breaker was triggered');
    const { code, err } = await deploy();
    expect(code).toBe(1);
    expect(err).toContain('The circuit breaker was triggered');
    expect(err).toMatch(/These stay, .*batchwell-service-databasecluster \(DatabaseCluster\)/);
  });

  it('A failed update rolls back, and the next run goes on from there.', async () => {
    await deploy('--core-only');
    aws.stacks.failures.set('SpotEnvironment', 'Too many vCPUs');
    const first = await deploy('--core-only', '--core', 'SpotMaxVcpus=8');
    expect(first.err).toMatch(/UPDATE_ROLLBACK_COMPLETE:\n.*Too many vCPUs/);
    expect((await deploy('--core-only', '--core', 'SpotMaxVcpus=8')).code).toBe(0);
    expect(stack('batchwell')?.parameters['SpotMaxVcpus']).toBe('8');
  });

  it('A rollback that failed is continued, and then the update goes on.', async () => {
    await deploy('--core-only');
    aws.stacks.failures.set('SpotEnvironment', 'Too many vCPUs').set('rollback', 'no');
    const first = await deploy('--core-only', '--core', 'SpotMaxVcpus=8');
    expect(first.err).toContain('UPDATE_ROLLBACK_FAILED');
    const second = await deploy('--core-only', '--core', 'SpotMaxVcpus=8');
    expect(second.out).toContain('Continuing the rollback');
    expect(stack('batchwell')?.status).toBe('UPDATE_COMPLETE');
  });

  it('A stack that is busy is waited for, with the events of its operation.', async () => {
    await deploy('--core-only');
    const change = [...least, '--core-only', '--core', 'SpotMaxVcpus=8'];
    expect((await runUntil(aws, 'to change', change)).code).toBe(130);
    expect(stack('batchwell')?.status).toBe('UPDATE_IN_PROGRESS');
    aws.stacks.time.idleLooks = 10;
    const { code, out } = await deploy('--core-only');
    expect(code).toBe(0);
    expect(out).toContain('batchwell is UPDATE_IN_PROGRESS: waiting');
    expect(out).toContain('updated  SpotEnvironment');
  });

  it('Ctrl-C leaves the creation to CloudFormation, says so, and the next run follows it.', async () => {
    const { code, err } = await startProgram(aws, 'batchwell-network: a new stack', least);
    expect(code).toBe(130);
    expect(err).toContain('goes on');
    expect((await deploy()).code).toBe(0);
    expect(statuses()).toEqual(DONE);
    expect(count('DeleteStack')).toBe(0);
  });

  it('Throttled requests are sent again.', async () => {
    for (const action of ['DescribeStackEvents', 'CreateChangeSet', 'DescribeStacks'])
      aws.faults.push({ action, code: 'Throttling' }, { action, code: 'Throttling' });
    expect((await deploy('--core-only')).code).toBe(0);
  });

  it('A rule of the template refuses, the sentence is shown, and no stack stays.', async () => {
    const { code, err } = await deploy('--core-only', '--core', 'Encryption=KMS');
    expect(code).toBe(1);
    expect(err).toContain('Encryption=KMS needs KmsKeyArn.');
    expect(err).toContain('--core NAME=VALUE');
    expect(stack('batchwell')).toBeUndefined();
  });

  it('A permission that is missing is named, with what the role needs.', async () => {
    const message = 'User: lab is not authorized to perform: cloudformation:DescribeStacks';
    aws.faults.push({ action: 'DescribeStacks', code: 'AccessDenied', message });
    const { code, err } = await deploy();
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).toContain('The role that deploys needs');
  });
});

describe('a hello task that fails', () => {
  it('Migrations that fail are named with their last lines, and all is done but this.', async () => {
    aws.task.ends = [{ name: 'migrate', exitCode: 1 }, { name: 'api' }, { name: 'hello' }];
    const group = '/batchwell/batchwell/service';
    aws.logs.push({ group, stream: 'migrate/migrate/t1', message: 'Access denied for batchwell' });
    const { code, err } = await deploy();
    expect(code).toBe(1);
    expect(err).toContain('hello failed: migrate ended with exit code 1.');
    expect(err).toContain('  Access denied for batchwell');
    expect(statuses()).toEqual(DONE);
  });

  it('One that never ends is stopped after its time, and what the hosts said is shown.', async () => {
    aws.task.ends = undefined;
    aws.logs.push({
      group: '/batchwell/batchwell/hosts',
      stream: 'i-1',
      message: 'batchwell-host-gave-up: no route to S3',
    });
    const { code, err } = await deploy('--hello-minutes', '0.01');
    expect(code).toBe(1);
    expect(err).toContain('a host said: batchwell-host-gave-up: no route to S3');
    expect(err).toContain('--hello-minutes');
    expect(aws.task.isStopped).toBe(true);
  });
});
