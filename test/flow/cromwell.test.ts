/**
 * Cromwell's TES backend against the whole of Batchwell: its fixtures run to the end, with their
 * scripts really executed, and then again as hits.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';
import { mapPath, readPathMap } from '../../core/files/path-map.ts';
import {
  cromwellClient,
  cromwellScript,
  cromwellTask,
  fixtures,
  missingPrograms,
  workOf,
  type CromwellClient,
  type CromwellTask,
} from '../cromwell.ts';

const missing = missingPrograms(['bash', 'mkfifo', 'tee']);
const SLOW_MS = 90_000;
/** The roots in the fixtures, and one of another server. */
const PATHS = [
  '/srv/cromwell=s3://cromwell-roots/srv',
  '/mnt=s3://cromwell-roots/mnt',
  '/data=s3://cromwell-roots/data',
  '/srv/cromwell/second=s3://second-roots/runs',
  '/mnt/second=s3://second-roots/runs',
];
const map = readPathMap(PATHS);
const at = (url: string): string => mapPath(url, map);

beforeEach(({ skip }) => skip(missing.length > 0, `no ${missing.join(', ')} on PATH`));

let stack: Stack;
let cromwell: CromwellClient;
beforeAll(async () => {
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
      BATCHWELL_PATH_MAP: PATHS.join(','),
      BATCHWELL_CACHE: 'readwrite',
      BATCHWELL_CACHE_HIT: 'reference',
      BATCHWELL_HOST_LOSS_TRIES: '1',
    },
  });
  for (const bucket of [
    'cromwell-roots',
    'second-roots',
    'lab-inputs',
    'lab-cromwell',
    'genomes-ref',
  ])
    await stack.objects.ensureBucket(bucket);
  cromwell = cromwellClient(`${stack.apiUrl}/ga4gh/tes/v1/tasks`);
}, SLOW_MS);
afterAll(() => stack?.stop(), SLOW_MS);

const text = async (url: string): Promise<string | undefined> =>
  (await stack.objects.get(at(url)))?.toString('utf8');

/** Writes what Cromwell would write: inputs, and the script in the execution folder. */
async function layOut(task: CromwellTask, command = workOf(task)): Promise<void> {
  for (const { name, url, type } of task.inputs) {
    if (name === 'commandScript') await stack.objects.put(at(url), cromwellScript(task, command));
    else
      await stack.objects.put(
        at(type === 'DIRECTORY' ? `${url}/part` : url),
        `content of ${url.slice(url.lastIndexOf('/') + 1)}\n`,
      );
  }
}

/** Where the call's files are: rc, stdout, stderr. */
const executionOf = (task: CromwellTask): string => {
  const root = task.outputs.find(
    ({ type, path }) => type === 'DIRECTORY' && task.executors[0]?.stdout.startsWith(`${path}/`),
  );
  return (
    root?.url ?? task.outputs.find(({ name }) => name === 'rc')?.url.replace(/\/rc$/, '') ?? ''
  );
};

async function expectDelivered(task: CromwellTask): Promise<void> {
  const execution = executionOf(task);
  expect(await text(`${execution}/rc`)).toBe('0\n');
  expect(await text(`${execution}/stdout`)).toBe('worked\n');
  expect(await text(`${execution}/stderr`)).toBe('noted\n');
  const wanted = task.inputs
    .filter(({ name }) => name !== 'commandScript')
    .map(({ url }) => `CONTENT OF ${url.slice(url.lastIndexOf('/') + 1).toUpperCase()}\n`)
    .join('');
  for (const { name, url, type } of task.outputs) {
    if (['rc', 'stdout', 'stderr', 'commandScript'].includes(name) || url === execution) continue;
    expect(await text(type === 'DIRECTORY' ? `${url}/part-0` : url), url).toBe(wanted);
  }
}

const metadataOf = async (id: string): Promise<Record<string, unknown>> =>
  (await cromwell.full(id)).logs[0]?.metadata ?? {};

describe.each(fixtures)('the Cromwell call %s', (fixture) => {
  test(
    'the call succeeds, and an equal call of another workflow is a hit with its files at its own URLs',
    async () => {
      const first = cromwellTask(fixture);
      await layOut(first);
      const id = await cromwell.post(first);
      expect(await cromwell.ended(id)).toBe('done');
      await expectDelivered(first);
      expect(await metadataOf(id)).not.toHaveProperty('cache');

      const second = cromwellTask(fixture, { workflowId: '00000000-1111-4222-8333-444444444444' });
      await layOut(second);
      const script = await text(
        second.inputs.find(({ name }) => name === 'commandScript')?.url ?? '',
      );
      const hit = await cromwell.post(second);
      expect(await cromwell.ended(hit)).toBe('done');
      expect(await metadataOf(hit)).toMatchObject({ cache: 'hit', vm_price_per_hour_usd: '0' });
      await expectDelivered(second);
      expect(
        await text(second.inputs.find(({ name }) => name === 'commandScript')?.url ?? ''),
        'its own script is left as it is',
      ).toBe(script);
    },
    SLOW_MS,
  );
});

test.each([
  'granular-glob-root-workflow',
  'granular-s3-shard3-attempt2-labels',
  'output-mode-root-nulls',
])(
  'an equal call of a second server with its own root is a hit, with its files at its own URLs: %s',
  async (fixture) => {
    const first = cromwellTask(fixture, { workflowId: 'eeeeeeee-0000-4000-8000-000000000001' });
    const second = cromwellTask(fixture, {
      workflowId: 'eeeeeeee-0000-4000-8000-000000000002',
      root: '/second/executions',
    });
    const ids: string[] = [];
    for (const task of [first, second]) {
      await layOut(task, `true of two roots; ${workOf(task)}`);
      const id = await cromwell.post(task);
      expect(await cromwell.ended(id)).toBe('done');
      await expectDelivered(task);
      ids.push(id);
    }
    const [own, hit] = ids.map(metadataOf);
    expect(await own).not.toHaveProperty('cache');
    expect(await hit).toMatchObject({ cache: 'hit' });
    for (const { url } of second.outputs) expect(at(url)).toMatch(/^s3:\/\/second-roots\/runs\//);
    for (const { url } of (await cromwell.full(ids[1] ?? '')).logs[0]?.outputs ?? [])
      expect(url).toMatch(/^s3:\/\/second-roots\/runs\//);
  },
  SLOW_MS,
);

/** A call of its own for a test. */
function callOf(workflowId: string): CromwellTask {
  return cromwellTask('s3-root', { workflowId });
}

test(
  'a POST that is repeated after a lost answer makes no second task',
  async () => {
    const task = callOf('aaaaaaaa-0000-4000-8000-000000000001');
    await layOut(task);
    const ids = await Promise.all([cromwell.post(task), cromwell.post(task), cromwell.post(task)]);
    expect(new Set(ids).size).toBe(1);
    expect(await cromwell.ended(ids[0] ?? '')).toBe('done');
    const nextAttempt = { ...task, description: task.description.replace(/:1$/, ':2') };
    expect(await cromwell.post(nextAttempt)).not.toBe(ids[0]);
  },
  SLOW_MS,
);

test(
  'a failed command is COMPLETE with its rc, and the next equal call runs it again',
  async () => {
    for (const workflowId of [
      'bbbbbbbb-0000-4000-8000-000000000001',
      'bbbbbbbb-0000-4000-8000-000000000002',
    ]) {
      const task = callOf(workflowId);
      await layOut(task, 'echo broken >&2; exit 3');
      const id = await cromwell.post(task);
      expect(await cromwell.ended(id)).toBe('done');
      expect(await text(`${executionOf(task)}/rc`)).toBe('3\n');
      expect(await text(`${executionOf(task)}/stderr`)).toBe('broken\n');
      expect(await metadataOf(id)).not.toHaveProperty('cache');
    }
  },
  SLOW_MS,
);

test(
  'an aborted call ends as CANCELED, and the rc that Cromwell wrote stays',
  async () => {
    const task = callOf('cccccccc-0000-4000-8000-000000000001');
    await layOut(task, 'sleep 300');
    const id = await cromwell.post(task);
    await expect
      .poll(async () => (await cromwell.full(id)).state, { timeout: 30_000 })
      .toBe('RUNNING');
    await stack.objects.put(at(`${executionOf(task)}/rc`), '143\n');
    await cromwell.cancel(id);
    expect(await cromwell.ended(id)).toBe('aborted');
    await expect
      .poll(async () => (await cromwell.full(id)).logs[0]?.metadata?.['attempt'])
      .toBe('1');
    expect(await text(`${executionOf(task)}/rc`)).toBe('143\n');
  },
  SLOW_MS,
);

describe('the loss of a host', () => {
  const lose = async (rule: Record<string, unknown>): Promise<void> => {
    const answer = await fetch(`${stack.localAws?.batchUrl}/_local/faults`, {
      method: 'POST',
      body: JSON.stringify({
        service: 'batch',
        operation: 'StartAttempt',
        kind: 'spot-loss',
        id: 'loss',
        ...rule,
      }),
    });
    expect(answer.ok).toBe(true);
  };
  const keep = () =>
    fetch(`${stack.localAws?.batchUrl}/_local/faults?id=loss`, { method: 'DELETE' });

  test(
    'a lost host makes the call run again, and Cromwell only sees COMPLETE',
    async () => {
      const task = callOf('dddddddd-0000-4000-8000-000000000001');
      await layOut(task, `true of a lost host; ${workOf(task)}`);
      // Includes Batch's own three attempts.
      await lose({ times: 3 });
      const id = await cromwell.post(task);
      expect(await cromwell.ended(id)).toBe('done');
      await keep();
      await expectDelivered(task);
      expect(
        await metadataOf(id),
        'the attempt that counts is the first that Cromwell reads',
      ).toMatchObject({ attempt: '2' });
    },
    SLOW_MS,
  );

  test(
    'a host lost too often is SYSTEM_ERROR with the reason and without an rc, and Cromwell’s next attempt runs',
    async () => {
      const task = callOf('dddddddd-0000-4000-8000-000000000002');
      await layOut(task, `true of hosts lost; ${workOf(task)}`);
      await lose({});
      const id = await cromwell.post(task);
      expect(await cromwell.ended(id)).toBe('failed');
      await keep();
      expect(await cromwell.full(id)).toMatchObject({
        state: 'SYSTEM_ERROR',
        logs: [
          {
            system_logs: [
              expect.stringMatching(/^disk_gb was not checked/),
              expect.stringContaining('The host was lost too many times'),
            ],
          },
          {},
        ],
      });
      expect(await text(`${executionOf(task)}/rc`)).toBeUndefined();

      const again = { ...task, description: task.description.replace(/:1$/, ':2') };
      const retried = await cromwell.post(again);
      expect(retried).not.toBe(id);
      expect(await cromwell.ended(retried)).toBe('done');
      await expectDelivered(again);
    },
    SLOW_MS,
  );
});
