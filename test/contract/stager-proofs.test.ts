/** What the stager believes: only what carries a proof of its own submission. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sealResultBody } from '../../core/result/result-body.ts';
import { encodeResultKey } from '../../core/result/result-key.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { encodeManifest } from '../../core/submission/manifest.ts';
import { readOwner, writeOwner } from '../../core/submission/owner-object.ts';
import { SECRET_VARIABLE } from '../../core/submission/proof.ts';
import {
  command,
  emptyTask,
  makeWorld,
  PREFIX,
  SECRET,
  useBuiltStager,
  type Ended,
  type World,
} from './stager-world.ts';

const OTHERS = Buffer.alloc(32, 9);

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());
const run = (env?: Record<string, string>): Promise<Ended> => world.start(stager, env).ended;

test.each([
  ['without a proof', 'another-job'],
  ['with a proof of another submission', writeOwner(OTHERS, 'another-job')],
  ['of which the id was changed', writeOwner(SECRET, 'job-2').replace('job-2', 'job-3')],
  ['that is empty', ''],
  ['that is long', 'x'.repeat(100_000)],
])('the stager replaces an owner object %s, and acts', async (_, content) => {
  await world.submit(emptyTask({ executors: [command('echo ran', world.folder)] }));
  await world.s3.put(`${PREFIX}owner`, content);
  expect((await run()).code).toBe(0);
  expect(await world.log('0.stdout')).toBe('ran\n');
  expect(readOwner(SECRET, (await world.s3.text(`${PREFIX}owner`)) ?? '')).toBe('job-1');
});

test('two twins that find a forged owner object agree on one of them', async () => {
  await world.submit(emptyTask({ executors: [command('echo ran >> ran; cat ran', world.folder)] }));
  await world.s3.put(`${PREFIX}owner`, 'forged');
  const ended = await Promise.all(
    ['twin-a', 'twin-b'].map((job) => run({ AWS_BATCH_JOB_ID: job })),
  );
  expect(ended.map(({ code }) => code).toSorted()).toEqual([0, 122]);
  expect(await world.log('0.stdout')).toBe('ran\n');
});

test.each([
  ['of another secret', () => encodeManifest(OTHERS, [part()])],
  ['of another form', () => Buffer.from('<Error>AccessDenied</Error>')],
  ['that is empty', () => Buffer.alloc(0)],
])(
  'the stager runs nothing of a manifest %s, and says that it may be tried again',
  async (_, forge) => {
    await world.submit(emptyTask({ executors: [command('echo ran', world.folder)] }));
    await world.s3.put(`${PREFIX}manifest`, forge());
    expect((await run()).code).toBe(123);
    expect(await world.log('0.stdout')).toBeUndefined();
    expect((await world.result())?.record.error).toMatchObject({ kind: 'forged', transient: true });
  },
);

const part = () => ({ scriptSha256: 'ab'.repeat(32), values: '', attempt: '1.1' });

test('a record without a proof does not keep Batch’s second attempt from running', async () => {
  await world.submit(emptyTask({ executors: [command('echo ran', world.folder)] }));
  const record: ResultRecord = {
    startedMs: 1,
    endedMs: 2,
    executors: [],
    outputs: [],
    missingOutputs: [],
  };
  const forged = { secret: OTHERS, index: 0, attempt: 1 };
  await world.s3.put(
    `${PREFIX}results/${encodeResultKey(forged, record)}`,
    sealResultBody(forged, record),
  );
  await world.s3.put(`${PREFIX}results/00000.1.long`, '{}');
  expect((await run({ AWS_BATCH_JOB_ATTEMPT: '2' })).code).toBe(0);
  expect(await world.log('0.stdout', 0, 2)).toBe('ran\n');
});

test('a proven record is found behind thousands of keys that say nothing', async () => {
  await world.submit(emptyTask({ executors: [command('echo ran', world.folder)] }));
  expect((await run()).code).toBe(0);
  for (let part = 0; part < 22; part += 1)
    await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        world.s3.put(`${PREFIX}results/00000.0.${part * 50 + at}`, ''),
      ),
    );
  const again = await run({ AWS_BATCH_JOB_ATTEMPT: '2' });
  expect(again.events.map((one) => one['event'])).toEqual(['task_recorded_before']);
});

test('a script that is gone is reported as one that may be tried again', async () => {
  await world.submit(emptyTask({ executors: [command('echo ran', world.folder)] }));
  world.s3.fault = (request, reply, name) => {
    if (request.method !== 'GET' || !name.includes('/scripts/')) return false;
    reply.writeHead(404).end();
    return true;
  };
  expect((await run()).code).toBe(123);
  expect((await world.result())?.record.error).toMatchObject({ kind: 'forged', transient: true });
});

test('a command does not see the secret of its submission in its environment', async () => {
  await world.submit(emptyTask({ executors: [command('env', world.folder)] }));
  expect((await run()).code).toBe(0);
  const seen = (await world.log('0.stdout')) ?? '';
  expect(seen).toContain('BATCHWELL_SUBMISSION=');
  expect(seen).not.toContain(SECRET_VARIABLE);
});

test('a stager without a secret does nothing and names the variable', async () => {
  const ended = await run({ [SECRET_VARIABLE]: '' });
  expect(ended.code).toBe(123);
  expect(ended.output).toContain(SECRET_VARIABLE);
  expect(await world.s3.names(PREFIX)).toEqual([]);
});
