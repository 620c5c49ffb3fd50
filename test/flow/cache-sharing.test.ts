/** Who gets whose results: owners of one cache domain, and tasks with different job roles. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, expect, test } from 'vitest';
import type { NewTask } from '../../core/task/task.ts';
import { taskNudges } from '../../queues/messages.ts';
import { acceptAll } from '../accept.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
afterEach(() => world.close());

async function open(settings: Record<string, string> = {}): Promise<void> {
  world = await startFleetWorld(settings);
  await world.startWorkers();
}

/** An object whose checksum of this algorithm S3 keeps, and no other. */
async function put(key: string, algorithm: 'SHA256' | 'CRC64NVME'): Promise<void> {
  const s3 = new S3Client({ forcePathStyle: true });
  await s3.send(
    new PutObjectCommand({ Bucket: 'data', Key: key, Body: key, ChecksumAlgorithm: algorithm }),
  );
  s3.destroy();
}

const call = (name: string, inputs: NewTask['spec']['inputs']): NewTask =>
  newTask(name, {
    cache: 'readwrite',
    spec: { inputs, executors: [{ image: 'debian:12', command: ['same'] }] },
  });

const reads = (key: string): NewTask['spec']['inputs'] => [
  { url: `s3://data/${key}`, path: '/in', type: 'FILE' },
];

/** Runs the task as one of the owners that share the domain `lab`; returns whether it was a hit. */
async function isHit(owner: string, task: NewTask): Promise<boolean> {
  const nowMs = Date.now();
  const { taskIds } = await acceptAll(world.database, {
    owner,
    cacheDomain: 'lab',
    tasks: [task],
    nowMs,
    dueMs: nowMs + 20_000,
  });
  await world.queues.nudge(taskNudges('cache-check', taskIds, 500));
  const [ended] = await world.ended(taskIds);
  expect(ended?.place).toBe('done');
  return ended?.hitEntryId !== null;
}

test('tasks of one owner with different job roles never share, and those with the same role do', async () => {
  await open();
  const as = (name: string, role: string): NewTask => {
    const task = call(name, []);
    task.spec.resources.job_role = `arn:aws:iam::123456789012:role/${role}`;
    return task;
  };
  expect(await isHit('ann', as('one', 'reads-patients'))).toBe(false);
  expect(await isHit('ann', as('two', 'reads-nothing'))).toBe(false);
  expect(await isHit('ann', call('three', []))).toBe(false);
  expect(await isHit('ann', as('four', 'reads-patients'))).toBe(true);
});

test('owners of one cache domain share results, by default whatever identifies the inputs', async () => {
  await open();
  await put('crc', 'CRC64NVME');
  expect(await isHit('ann', call('one', reads('crc')))).toBe(false);
  expect(await isHit('ben', call('two', reads('crc')))).toBe(true);
});

test('owners that share by SHA-256 only share calls whose every input is known by one', async () => {
  await open({ BATCHWELL_CACHE_SHARING: 'sha256' });
  await put('crc', 'CRC64NVME');
  await put('sha', 'SHA256');
  for (const [key, isShared] of [
    ['crc', false],
    ['sha', true],
  ] as const) {
    expect(await isHit('ann', call(`ann-${key}`, reads(key)))).toBe(false);
    expect(await isHit('ann', call(`again-${key}`, reads(key)))).toBe(true);
    expect(await isHit('ben', call(`ben-${key}`, reads(key)))).toBe(isShared);
  }
  const mixed = [...reads('sha'), { url: 's3://data/crc', path: '/in2', type: 'FILE' as const }];
  expect(await isHit('ann', call('ann-mixed', mixed))).toBe(false);
  expect(await isHit('ben', call('ben-mixed', mixed))).toBe(false);
  const content = [{ content: 'text', path: '/in', type: 'FILE' as const }];
  expect(await isHit('ann', call('ann-content', content))).toBe(false);
  expect(await isHit('ben', call('ben-content', content))).toBe(true);
});
