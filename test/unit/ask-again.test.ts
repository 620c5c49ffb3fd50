import { describe, expect, test } from 'vitest';
import { readConfig, type Config } from '../../config.ts';
import type { Problem } from '../../core/problems.ts';
import { askAgain } from '../../core/task/parse-resources.ts';
import { parseTesTask, type TaskDefaults } from '../../core/task/parse-task.ts';
import type { TaskSpec } from '../../core/task/task.ts';

const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:lab-AbCdEf';

const defaultsOf = (settings: Partial<Config>, queues?: string[]): TaskDefaults => ({
  cache: 'off',
  limits: queues ? { queues } : {},
  offers: { ...readConfig({}), ...settings, owner: 'ann' },
});

function accepted(resources: object, defaults: TaskDefaults): TaskSpec {
  const executors = [{ image: 'quay.io/lab/tool', command: ['x'] }];
  const read = parseTesTask({ executors, resources }, defaults);
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  return read.task.spec;
}

function again(spec: TaskSpec, defaults: TaskDefaults) {
  const problems: Problem[] = [];
  const { resources } = askAgain(spec, defaults, problems);
  return { resources, fields: problems.map(({ field }) => field.split('.').at(-1)) };
}

describe('a task that is asked for again', () => {
  test.each<[string, Partial<Config>, Record<string, string>]>([
    ['secrets', { allowedSecrets: [ARN] }, { secrets: `KEY=${ARN}` }],
    [
      'registry_credentials',
      { allowedCredentials: [`quay.io=${ARN}`] },
      { registry_credentials: ARN },
    ],
    ['volumes', { volumes: ['refs=efs:fs-12345678:/refs'] }, { volumes: 'refs' }],
    ['log_group', { logGroups: ['/lab'] }, { log_group: '/lab' }],
  ])('is refused where %s are no longer offered to it', (field, offered, parameters) => {
    const spec = accepted({ backend_parameters: parameters }, defaultsOf(offered));
    expect(again(spec, defaultsOf(offered))).toEqual({ resources: spec.resources, fields: [] });
    expect(again(spec, defaultsOf({})).fields).toEqual([field]);
  });

  test('is refused where its disk is larger than those of the hosts by now', () => {
    const spec = accepted({ disk_gb: 900 }, defaultsOf({}));
    expect(again(spec, defaultsOf({ largestDiskGb: 500 })).fields).toEqual(['disk_gb']);
  });

  test('asks for the same where nothing has changed', () => {
    const settings = { spotQueue: 'spot', zoneQueues: ['eu-1a=zone-a'] };
    for (const resources of [
      {},
      { cpu_cores: 3, ram_gb: 0.5, disk_gb: 12.5, preemptible: true },
      { zones: ['eu-1a'], backend_parameters: { gpu: '2', timeout: '90', job_tags: 'a=b' } },
      { backend_parameters: { queue: 'fast', priority: '7', ulimits: 'nofile=10', cache: 'read' } },
    ]) {
      const spec = accepted(resources, defaultsOf(settings));
      expect(again(spec, defaultsOf(settings))).toEqual({ resources: spec.resources, fields: [] });
    }
  });

  test('goes to a queue of the token that asks again, also after the loss of its hosts', () => {
    const settings = { spotQueue: 'spot', jobQueue: 'usual' };
    const spec = accepted({ preemptible: true }, defaultsOf(settings));
    expect(spec.resources).toMatchObject({ queue: 'spot' });
    const { resources } = again(spec, defaultsOf(settings, ['spot', 'slow']));
    expect(resources).toMatchObject({ queue: 'spot', stays: true });
    expect(again(spec, defaultsOf(settings, ['slow'])).resources).toMatchObject({ queue: 'slow' });
  });
});
