import { describe, expect, test } from 'vitest';
import { ownerLimits } from '../../core/access/owner-limits.ts';
import {
  definitionContent,
  definitionDigest,
  definitionName,
  schedulingOf,
  shapeOf,
} from '../../core/container/job-definition.ts';
import type { Resources } from '../../core/task/task.ts';

const resources: Resources = { cpu_cores: 2, ram_gb: 1.5, disk_gb: 10, preemptible: false };
const settings = { jobRole: '', hostFolder: '/opt/batchwell', sharedFolders: [], memoryGrowths: 0 };
const memoryOf = (ram: number, growths = 0): string | undefined =>
  definitionContent(
    'a',
    { ...resources, ram_gb: ram },
    { ...settings, memoryGrowths: growths },
  ).containerProperties.resourceRequirements.find(({ type }) => type === 'MEMORY')?.value;

const nameOf = (image: string, more: Partial<Resources> = {}, memoryGrowths = 0): string => {
  const content = definitionContent(
    image,
    { ...resources, ...more },
    { ...settings, memoryGrowths },
  );
  return definitionName(content, definitionDigest(content));
};

describe('a job definition', () => {
  test('a job definition of equal content has an equal name', () => {
    expect(nameOf('a:1', { disk_gb: 99, preemptible: true, queue: 'q' })).toBe(nameOf('a:1'));
    expect(
      new Set([
        nameOf('a:1'),
        nameOf('a:2'),
        nameOf('b/a:1'),
        nameOf('a:1', { cpu_cores: 3 }),
        nameOf('a:1', { ram_gb: 2 }),
        nameOf('a:1', { timeout_seconds: 60 }),
        nameOf('a:1', {}, 1),
      ]).size,
    ).toBe(7);
  });

  test.each([
    'debian',
    'debian:12',
    'registry.example:5000/a/b_c:1.2.3',
    `x@sha256:${'0'.repeat(64)}`,
    `@sha256:${'0'.repeat(64)}`,
    '',
    '日本',
    `a/${'long'.repeat(80)}`,
    'under_score',
  ])('the job definition of image %j has a name that Batch accepts', (image) => {
    expect(nameOf(image)).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/);
  });

  test('a job definition mounts the host’s shared folders under the same paths, writable', () => {
    const { volumes, mountPoints } = definitionContent('a', resources, {
      ...settings,
      sharedFolders: ['/mnt/efs'],
    }).containerProperties;
    expect(volumes).toContainEqual({ name: 'shared-0', host: { sourcePath: '/mnt/efs' } });
    expect(mountPoints).toContainEqual({
      sourceVolume: 'shared-0',
      containerPath: '/mnt/efs',
      readOnly: false,
    });
  });

  test('a job definition rounds memory up to MiB, doubles it by growth, and requests at least what the stager needs', () => {
    expect([
      memoryOf(1.5),
      memoryOf(1.5, 1),
      memoryOf(1.5, 2),
      memoryOf(0.0001),
      memoryOf(1.0001),
    ]).toEqual(['1536', '3072', '6144', '128', '1025']);
  });

  test('a shape differs by its definition, queue, share, priority and owner', () => {
    const definition = Buffer.alloc(32, 1);
    const base = { queue: 'a', share: 's', priority: 0, tags: {} };
    const shapes = [
      shapeOf(definition, base, 'ann'),
      shapeOf(definition, { ...base, queue: 'b' }, 'ann'),
      shapeOf(definition, { ...base, priority: 1 }, 'ann'),
      shapeOf(definition, { ...base, share: 't' }, 'ann'),
      shapeOf(Buffer.alloc(32, 2), base, 'ann'),
      shapeOf(definition, base, 'bob'),
    ];
    expect(new Set(shapes.map((shape) => shape.toString('hex'))).size).toBe(6);
    expect(shapes[0]).toHaveLength(16);
  });
});

describe('scheduling', () => {
  test('a task that names nothing gets the configured queue, without share and priority', () => {
    expect(
      schedulingOf({ ...resources, priority: 7 }, { jobQueue: 'q', share: '', owner: 'ann' }),
    ).toEqual({ queue: 'q', share: '', priority: 0, tags: {} });
  });

  test('a share of each owner holds only letters and digits', () => {
    expect(
      schedulingOf(
        { ...resources, priority: 7 },
        { jobQueue: 'q', share: 'x{owner}', owner: 'ann.b@c' },
      ),
    ).toEqual({ queue: 'q', share: 'xannbc', priority: 7, tags: {} });
  });

  test('a queue and a share that the task names come first', () => {
    expect(
      schedulingOf(
        { ...resources, queue: 'own', share: 'mine' },
        { jobQueue: 'q', share: 'all', owner: 'ann' },
      ),
    ).toEqual({ queue: 'own', share: 'mine', priority: 0, tags: {} });
  });
});

describe('limits of owners', () => {
  test('an owner has no limit unless one is configured', () =>
    expect(ownerLimits(0, [])).toBeUndefined());

  test('a limit holds for all owners except those with their own', () => {
    const limitOf = ownerLimits(10, ['ann=3', 'b=c=4']);
    expect(['ann', 'b=c', 'zoe'].map((owner) => limitOf?.(owner))).toEqual([3, 4, 10]);
    expect(ownerLimits(0, ['ann=3'])?.('zoe')).toBe(Number.POSITIVE_INFINITY);
  });
});
