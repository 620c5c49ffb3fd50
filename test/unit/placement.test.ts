import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../config.ts';
import { schedulingOf } from '../../core/container/job-definition.ts';
import { architectureFor } from '../../core/cache/setting.ts';
import type { Resources } from '../../core/task/task.ts';
import { readResources, refusedResources } from './offers-world.ts';
import { isSameQueue } from '../../core/submission/on-demand.ts';

const spot = { BATCHWELL_SPOT_QUEUE: 'spot' };

/** The queues of a task before and after it lost its hosts. */
function queuesOf(resources: Resources, settings: Record<string, string>): string[] {
  const config = { ...readConfig(settings), owner: 'ann' };
  return [0, 1, 2].map((losses) => schedulingOf(resources, config, losses).queue);
}

describe('a preemptible task', () => {
  test('runs in the Spot queue, and after its hosts were lost in the default queue', () => {
    const { resources, warnings } = readResources({ preemptible: true }, { settings: spot });
    expect(warnings).toEqual([]);
    expect(queuesOf(resources, spot)).toEqual(['spot', 'batchwell', 'batchwell']);
    expect(queuesOf(readResources({}, { settings: spot }).resources, spot)).toEqual([
      'batchwell',
      'batchwell',
      'batchwell',
    ]);
  });

  test('goes where a setting says, also from another queue that the task names', () => {
    const settings = {
      ...spot,
      BATCHWELL_ON_DEMAND_QUEUES: 'spot=steady,gpu-spot=gpu,batchwell=steady',
    };
    const from = (resources: object): string[] =>
      queuesOf(readResources(resources, { settings }).resources, settings).slice(0, 2);
    expect(from({ preemptible: true })).toEqual(['spot', 'steady']);
    expect(from({})).toEqual(['batchwell', 'steady']);
    const arn = 'arn:aws:batch:us-east-1:123456789012:job-queue/gpu-spot';
    expect(from({ backend_parameters: { queueArn: arn } })).toEqual([arn, 'gpu']);
    expect(from({ backend_parameters: { queue: 'other' } })).toEqual(['other', 'other']);
  });

  test('stays within the queues that its token allows', () => {
    const read = (queues: string[]): string[] =>
      queuesOf(
        readResources({ preemptible: true }, { settings: spot, queues }).resources,
        spot,
      ).slice(0, 2);
    expect(read(['mine', 'spot', 'batchwell'])).toEqual(['spot', 'batchwell']);
    expect(read(['mine', 'spot'])).toEqual(['spot', 'spot']);
    expect(read(['mine'])).toEqual(['mine', 'mine']);
  });

  test('says so where nothing follows from it', () => {
    expect(readResources({ preemptible: true }).warnings).toEqual([
      expect.stringMatching(/^preemptible has no effect: .*BATCHWELL_SPOT_QUEUE.*batchwell\.$/),
    ]);
    const named = { preemptible: true, backend_parameters: { queue: 'other' } };
    expect(readResources(named, { settings: spot }).warnings).toEqual([
      expect.stringMatching(/^preemptible has no effect: the task names its job queue/),
    ]);
    expect(readResources({ preemptible: false }).warnings).toEqual([]);
  });

  test('is cached under the architecture of its queue, and both queues of a pair have one', () => {
    const settings = { ...spot, BATCHWELL_QUEUE_ARCHITECTURES: 'spot=arm64,batchwell=arm64' };
    const { resources } = readResources({ preemptible: true }, { settings });
    expect(architectureFor({ resources }, readConfig(settings))).toBe('arm64');
    const mixed = { ...spot, BATCHWELL_QUEUE_ARCHITECTURES: 'spot=arm64' };
    expect(() => readConfig(mixed)).toThrow(ConfigError);
    expect(() => readConfig(mixed)).toThrow(/spot and batchwell .*different architectures/);
  });
});

describe('zones', () => {
  const settings = { BATCHWELL_ZONE_QUEUES: 'us-east-1a=east-a,us-east-1b=east-b' };

  test('the first zone that has a queue chooses it', () => {
    const read = readResources({ zones: ['us-east-1c', 'us-east-1b'] }, { settings });
    expect(read).toMatchObject({ resources: { queue: 'east-b' }, warnings: [] });
  });

  test('zones without a queue are refused, and so are those whose queue the token rules out', () => {
    expect(refusedResources({ zones: ['mars'] }, { settings })).toEqual({
      'resources.zones': 'at least one of the zones us-east-1a, us-east-1b',
    });
    expect(
      refusedResources({ zones: ['us-east-1a'] }, { settings, queues: ['east-b'] }),
    ).toMatchObject({ 'resources.zones': 'at least one of the zones us-east-1b' });
  });

  test('a warning says where zones have no effect, as many clients send them', () => {
    expect(readResources({ zones: 'us-west-1' }).warnings).toEqual([
      expect.stringContaining('BATCHWELL_ZONE_QUEUES'),
    ]);
    const named = { zones: ['us-east-1a'], backend_parameters: { queue: 'own' } };
    expect(readResources(named, { settings })).toMatchObject({
      resources: { queue: 'own' },
      warnings: ['zones has no effect: the task names the job queue own.'],
    });
  });
});

describe('disk_gb', () => {
  const settings = { BATCHWELL_LARGEST_DISK_GB: '200' };

  test('more than the largest disk of the hosts is refused', () => {
    expect(refusedResources({ disk_gb: 200.5 }, { settings })).toEqual({
      'resources.disk_gb': 'at most 200 (GiB), which the largest disk of the hosts has',
    });
    expect(readResources({ disk_gb: 200 }, { settings }).warnings).toEqual([]);
    expect(readResources({}, { settings: { BATCHWELL_LARGEST_DISK_GB: '5' } }).warnings).toEqual(
      [],
    );
  });

  test('a warning says that nothing checks it where the largest disk is not known', () => {
    expect(readResources({ disk_gb: 20 }).warnings).toEqual([
      expect.stringContaining('BATCHWELL_LARGEST_DISK_GB'),
    ]);
    expect(readResources({}).warnings).toEqual([]);
  });
});

test.each([
  ['BATCHWELL_SPOT_QUEUE', 'two words'],
  ['BATCHWELL_ON_DEMAND_QUEUES', 'spot'],
  ['BATCHWELL_ON_DEMAND_QUEUES', 'spot=a b'],
  ['BATCHWELL_ZONE_QUEUES', '=q'],
  ['BATCHWELL_SPOT_LOSSES', '11'],
  ['BATCHWELL_LARGEST_DISK_GB', '-1'],
])('%s=%s is refused at the start', (variable, value) => {
  expect(() => readConfig({ [variable]: value })).toThrow(`${variable}=`);
});

test('two ARNs are one queue only where they are equal; a name is that of any', () => {
  const arn = (region: string): string => `arn:aws:batch:${region}:123456789012:job-queue/gpu`;
  expect(isSameQueue(arn('us-east-1'), arn('us-east-1'))).toBe(true);
  expect(isSameQueue(arn('us-east-1'), arn('eu-west-1'))).toBe(false);
  expect(isSameQueue(arn('us-east-1'), 'gpu')).toBe(true);
  expect(isSameQueue('gpu', arn('eu-west-1'))).toBe(true);
  expect(isSameQueue('gpu', 'cpu')).toBe(false);
});
