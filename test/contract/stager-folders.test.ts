import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleStager } from '../../stager/bundle.ts';
import { emptyTask, makeWorld, shell, type World } from './stager-world.ts';

let built: string;
let world: World;
beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'stager-built-'));
  await bundleStager(join(built, 'stager.mjs'));
  world = await makeWorld();
});
afterAll(async () => {
  await world.close();
  await rm(built, { recursive: true, force: true });
});

test('of a folder that goes out, its rc goes last: who watches the folder takes it for the end', async () => {
  await world.submit(emptyTask({
    outputs: [{ url: 's3://out/execution', path: `${world.folder}/execution`, type: 'DIRECTORY' }],
    executors: [{ ...shell('mkdir execution && cd execution && echo 0 > rc && mkdir z && for i in 1 2 3 4 5 6 7 8; do head -c 200000 /dev/zero > z/$i; done'), workdir: world.folder }],
  }));
  expect((await world.start([process.execPath, join(built, 'stager.mjs')]).ended).code).toBe(0);
  const writes = world.s3.requests.filter((request) => request.startsWith('PUT out/'));
  expect([writes.length, writes.at(-1)]).toEqual([9, 'PUT out/execution/rc']);
});
