/** What an installation adds to the fingerprint of a task. */
import { describe, expect, it } from 'vitest';
import { cacheSetting, type InstallationFacts } from '../../core/cache/setting.ts';
import type { Resources, TaskSpec } from '../../core/task/task.ts';

const spec = (more: Partial<Resources> = {}): TaskSpec => ({
  inputs: [],
  outputs: [],
  executors: [],
  resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false, ...more },
  volumes: [],
});
const facts = { jobRole: '', jobQueue: 'fast', queueArchitectures: ['arm=arm64', 'fast=x86-64'] };

const settingOf = (task: TaskSpec, installation: InstallationFacts): Record<string, string> =>
  cacheSetting(task, installation, { replicate: 0 });

describe('the setting of a task', () => {
  it('holds the architecture of its queue, not the name of the queue', () => {
    expect(settingOf(spec(), facts)).toEqual({ architecture: 'x86-64' });
    expect(settingOf(spec({ queue: 'spot' }), facts)).toEqual(settingOf(spec(), facts));
    expect(settingOf(spec({ queue: 'arm' }), facts)).toEqual({ architecture: 'arm64' });
    expect(settingOf(spec(), { ...facts, jobQueue: 'arm' })).toEqual({ architecture: 'arm64' });
  });

  it('holds the role that its container runs as', () => {
    expect(settingOf(spec(), { ...facts, jobRole: 'r' })).toMatchObject({ job_role: 'r' });
  });
});
