/** What jobs leave in their scratch folders, and that the local Batch goes on. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { chooseRunner } from '../batch/runners/choose.ts';
import type { Runner } from '../batch/runner.ts';
import { createWorld, instant, temporaryFolder } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

const isolated = await chooseRunner({
  dataFolder: '/nonexistent-batch-scratch',
  only: 'isolated',
}).then(
  () => true,
  () => false,
);

/** The path to the last folder is longer than any that the kernel takes. */
const DEEP = 'cd "$0" && for i in $(seq 60); do mkdir "$1"; cd -P "$1"; done';
const NAME = 'x'.repeat(100);

it.skipIf(!isolated)(
  'a job that leaves a tree deeper than any path succeeds, and the next job runs',
  async () => {
    const dataFolder = await temporaryFolder();
    const runner = await chooseRunner({ dataFolder, only: 'isolated' });
    const world = await createWorld({ dataFolder, runner });
    for (const command of [
      ['sh', '-c', `mkdir /out && ${DEEP}; mkdir -m 0 /closed`, '/out', NAME],
      ['true'],
    ]) {
      const job = await world.ended(
        await world.submit({ jobDefinition: await world.define(command) }),
      );
      expect([job.status, job.container?.exitCode]).toEqual(['SUCCEEDED', 0]);
    }
    expect(await readdir(join(dataFolder, 'scratch'))).toEqual([]);
  },
);

it.skipIf(!isolated)(
  'a server starts where an earlier one left a tree deeper than any path',
  async () => {
    const dataFolder = await temporaryFolder();
    await mkdir(join(dataFolder, 'scratch', 'left'), { recursive: true });
    execFileSync('sh', ['-c', DEEP, join(dataFolder, 'scratch', 'left'), NAME]);
    await createWorld({ dataFolder, runner: await chooseRunner({ dataFolder, only: 'isolated' }) });
    expect(await readdir(join(dataFolder, 'scratch'))).toEqual([]);
  },
);

it('a runner that cannot clean up ends neither the server nor its next start', async () => {
  const warnings: string[] = [];
  const note = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  const broken: Runner = {
    ...instant(),
    start: () => ({ ended: Promise.reject(new Error('no clean-up')), kill: () => undefined }),
    sweep: () => Promise.reject(new Error('no sweep')),
  };
  const world = await createWorld({ runner: broken });
  for (let count = 0; count < 2; count += 1)
    expect(await world.ended(await world.submit())).toMatchObject({
      status: 'FAILED',
      container: { reason: 'Error: no clean-up' },
    });
  expect(warnings).toEqual(['What earlier servers left could not be removed: Error: no sweep']);
});
