/** Tasks of several executors. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  emptyTask,
  makeWorld,
  shell,
  useBuiltStager,
  type Ended,
  type World,
} from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const run = (): Promise<Ended> => world.start(stager).ended;
const command = (script: string, more: object = {}) => ({
  ...shell(script),
  workdir: world.folder,
  ...more,
});

test('an ignored failure lets the next executor run and the task succeed', async () => {
  await world.submit(
    emptyTask({ executors: [command('exit 7', { ignore_error: true }), command('echo on')] }),
  );
  expect((await run()).code).toBe(0);
  expect((await world.result())?.record.executors.map((one) => one.exitCode)).toEqual([7, 0]);
});

test('an executor that cannot be started leaves the exit code and logs of the previous one in S3', async () => {
  await world.submit(
    emptyTask({
      executors: [command('echo told'), command('true', { stdin: `${world.folder}/nothing` })],
    }),
  );
  const { code } = await run();
  expect(code).toBe(123);
  expect([await world.log('rc'), await world.log('0.stdout')]).toEqual(['[0]', 'told\n']);
  expect((await world.result())?.record.error).toMatchObject({
    subject: 'executor 1',
    message: expect.stringContaining('could not be started'),
  });
});

test('each executor tells what it used: memory, CPU time, and bytes read and written', async () => {
  const hungry = `
    const held = Buffer.alloc(150_000_000, 1);
    const file = process.argv[1];
    require('fs').writeFileSync(file, Buffer.alloc(3_000_000));
    require('fs').readFileSync(file);
    while (process.cpuUsage().user < 500_000);
    process.exit(held.length > 0 ? 0 : 1);`;
  const node = { image: 'none', command: [process.execPath, '-e', hungry, `${world.folder}/file`] };
  await world.submit(emptyTask({ executors: [node, command('true')] }));
  expect((await run()).code).toBe(0);
  const [first, second] = (await world.result())?.record.executors.map(({ usage }) => usage) ?? [];
  expect(first?.peakMemoryBytes).toBeGreaterThan(150_000_000);
  expect(first?.cpuMs).toBeGreaterThan(300);
  expect(first?.readBytes).toBeGreaterThanOrEqual(3_000_000);
  expect(first?.writtenBytes).toBeGreaterThanOrEqual(3_000_000);
  expect(second?.peakMemoryBytes).toBeLessThan(50_000_000);
  expect(second?.cpuMs).toBeLessThan(first?.cpuMs ?? 0);
  expect(second?.writtenBytes).toBeLessThan(1_000_000);
});
