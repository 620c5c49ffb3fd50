/** What aws:deploy refuses before it asks AWS for anything, and what it does for each status of a stack. */
import { StackStatus } from '@aws-sdk/client-cloudformation';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decideStep } from '../../deploy/status.ts';
import { IMAGE, makeRelease, run } from './command.ts';
import { playAws, type PlayedAws } from './played-aws.ts';

describe('options', () => {
  let aws: PlayedAws;
  beforeEach(async () => {
    aws = await playAws();
  });
  afterEach(async () => {
    await aws.stop();
  });

  it.each([
    [['--core', 'DiskGib=1'], /--core DiskGib: .*no such parameter\. It has .*DiskGiB/],
    [['--core', 'DiskGiB=10'], /--core DiskGiB=10: it must be between 50 and 65536/],
    [['--core', 'DiskGiB=much'], /--core DiskGiB=much: it must be a number/],
    [['--core', 'Architecture=ppc'], /must be one of x86_64, arm64/],
    [['--network', 'Cidr=10.0.0.0/8'], /--network Cidr=10\.0\.0\.0\/8: it must match/],
    [['--service', 'Size'], /--service Size: it must be NAME=VALUE/],
    [['--core', 'VpcId=vpc-1'], /--core VpcId: give it by --vpc instead/],
    [['--name', 'my_fleet'], /--name my_fleet/],
    [['--hello-minutes', 'soon'], /--hello-minutes soon/],
    [['--profiles', 'lab'], /--profiles/],
  ])('%j is refused by its name, and nothing is created.', async (options, sentence) => {
    const { code, err } = await run(aws, 'deploy', '--image', IMAGE, ...options);
    expect(code).toBe(1);
    expect(err).toMatch(sentence);
    expect(aws.stacks.all).toEqual([]);
  });

  it('All wrong parameters of a template are named together.', async () => {
    const wrong = ['--core', 'DiskGiB=10', '--core', 'DiskIops=1'];
    const { err } = await run(aws, 'deploy', '--image', IMAGE, ...wrong);
    expect(err).toContain('DiskGiB');
    expect(err).toContain('DiskIops');
  });

  it('Credentials that AWS does not take are said, with the profile and how to log in.', async () => {
    aws.faults.push({ action: 'GetCallerIdentity', code: 'ExpiredToken', message: 'expired' });
    const { code, err } = await run(aws, 'deploy', '--image', IMAGE);
    expect(code).toBe(1);
    expect(err).toMatch(/have expired\. Log in again/);
  });

  it('A release that is not whole, or for other hosts, is refused by its option.', async () => {
    const { folder } = makeRelease(aws);
    const deploy = async (...more: string[]) =>
      await run(aws, 'deploy', '--core-only', '--host-release', folder, ...more);
    expect((await deploy('--core', 'Architecture=arm64')).err).toMatch(
      /--host-release .*no archive for arm64/,
    );
    writeFileSync(join(folder, 'batchwell-host-x86_64.tar.gz'), 'cut');
    expect((await deploy()).err).toMatch(/is not what SHA256SUMS says/);
    writeFileSync(join(folder, 'SHA256SUMS'), '');
    expect((await deploy()).err).toMatch(/no archive for x86_64/);
    expect(aws.stacks.all).toEqual([]);
  });

  it('Where the host release cannot be built, it says how to give one.', async () => {
    // No busybox and no ldd are on this PATH.
    const { code, err } = await run(aws, 'deploy', '--core-only');
    expect(code).toBe(1);
    expect(err).toMatch(/cannot be built on this machine.*--host-release FOLDER/s);
    expect(aws.stacks.all).toEqual([]);
  });

  it('--help is an answer and no error.', async () => {
    for (const command of ['deploy', 'teardown']) {
      const { code, out } = await run(aws, command, '--help');
      expect(code).toBe(0);
      expect(out).toContain('--profile');
    }
  });
});

it('Each status of CloudFormation leads to a step, and none in progress to a change.', () => {
  const steps = Object.fromEntries(
    Object.values(StackStatus).map((status) => [status, decideStep(status).do]),
  );
  expect(steps).toEqual({
    CREATE_COMPLETE: 'update',
    CREATE_FAILED: 'delete',
    CREATE_IN_PROGRESS: 'follow',
    DELETE_COMPLETE: 'create',
    DELETE_FAILED: 'delete',
    DELETE_IN_PROGRESS: 'follow',
    IMPORT_COMPLETE: 'update',
    IMPORT_IN_PROGRESS: 'follow',
    IMPORT_ROLLBACK_COMPLETE: 'update',
    IMPORT_ROLLBACK_FAILED: 'refuse',
    IMPORT_ROLLBACK_IN_PROGRESS: 'follow',
    REVIEW_IN_PROGRESS: 'create',
    ROLLBACK_COMPLETE: 'delete',
    ROLLBACK_FAILED: 'delete',
    ROLLBACK_IN_PROGRESS: 'follow',
    UPDATE_COMPLETE: 'update',
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: 'follow',
    UPDATE_FAILED: 'update',
    UPDATE_IN_PROGRESS: 'follow',
    UPDATE_ROLLBACK_COMPLETE: 'update',
    UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: 'follow',
    UPDATE_ROLLBACK_FAILED: 'continue-rollback',
    UPDATE_ROLLBACK_IN_PROGRESS: 'follow',
  });
  expect(decideStep('A_STATUS_OF_LATER').do).toBe('refuse');
});
