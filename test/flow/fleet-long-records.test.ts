/** Result records that a row cannot hold: a task with very many output files, among others. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { STORED_BYTES } from '../../core/result/stored-record.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
let atPoint: (point: string) => void;
beforeEach(async () => {
  atPoint = () => undefined;
  world = await startFleetWorld();
  await world.startWorkers({ onCrashPoint: (point) => atPoint(point) });
});
afterEach(() => world.close());

/** Above 16 MiB, where MySQL cuts a MEDIUMTEXT without an error. */
const FILES = 30_000;
const folder = '/' + Array.from({ length: 3 }, () => 'y'.repeat(150)).join('/');

const longRecord = (change: Partial<ResultRecord> = {}): ResultRecord => ({
  startedMs: 1_790_000_000_000,
  endedMs: 1_790_000_001_000,
  executors: [{ exitCode: 0, startedMs: 1_790_000_000_000, endedMs: 1_790_000_001_000 }],
  outputs: Array.from({ length: FILES }, (_, at) => ({
    output: 0,
    path: `${folder.slice(1)}/${String(at).padStart(6, '0')}.txt`,
    sizeBytes: 0,
    crc64nvme: 'AAAAAAAAAAA=',
    etag: 'd41d8cd98f00b204e9800998ecf8427e',
  })),
  missingOutputs: [],
  ...change,
});

const longTask = (name: string) =>
  newTask(name, {
    cache: 'write',
    spec: { outputs: [{ url: `s3://data/${name}`, path: '/out', type: 'DIRECTORY' }] },
  });

const storedBytes = async (id: number): Promise<number> =>
  Number(
    (await world.rows('SELECT LENGTH(result) AS bytes FROM attempts WHERE task_id = ?', [id]))[0]?.[
      'bytes'
    ],
  );

test.runIf(isLong)(
  'a record above 16 MiB ends its task with every file in the cache, and delays no mate',
  async () => {
    world.behave(({ spec }) =>
      spec.outputs[0]?.type === 'DIRECTORY' ? { work: async () => longRecord() } : {},
    );
    expect(JSON.stringify(longRecord()).length).toBeGreaterThan(16 * 1024 ** 2);
    const ids = await world.accept([longTask('long'), newTask('mate-1'), newTask('mate-2')]);
    expect(await world.ended(ids)).toMatchObject([
      { place: 'done' },
      { place: 'done' },
      { place: 'done' },
    ]);
    expect(await storedBytes(ids[0]!)).toBeLessThanOrEqual(STORED_BYTES);
    const kept = await world.rows(
      `SELECT COUNT(*) AS files, MAX(path) AS last FROM cache_outputs
      WHERE entry_id = (SELECT id FROM cache_entries WHERE task_id = ?)`,
      [ids[0]],
    );
    expect(kept).toMatchObject([
      { files: FILES, last: `${folder.slice(1)}/${String(FILES - 1).padStart(6, '0')}.txt` },
    ]);
  },
);

test('a long record that is gone or changed before finalize fails its own task with a sentence', async () => {
  // The mate ends later, so that the first write of poll is the one of the long record.
  const { promise: written, resolve: write } = Promise.withResolvers<void>();
  world.behave(({ spec }) =>
    spec.outputs[0]?.type === 'DIRECTORY' ? { work: async () => longRecord() } : { until: written },
  );
  const gone = { service: 's3', operation: 'GetObject', match: '.long', kind: 'error' } as const;
  atPoint = (point) => {
    if (point !== 'poll.written') return;
    write();
    world.s3.faults.add({ id: 'gone', ...gone, status: 404, code: 'NoSuchKey' });
  };
  const ids = await world.accept([longTask('long'), newTask('mate')]);
  const [long, mate] = await world.ended(ids);
  expect(mate).toMatchObject({ place: 'done' });
  expect(long).toMatchObject({ place: 'failed', failureCode: 'result-missing' });
  expect(long?.failure).toMatch(
    /^The result record s3:\/\/work-bucket\/.*\.long\.[\w-]+ no longer exists\. /,
  );
});

test.runIf(isLong)(
  'a long record of a failed command keeps its exit code and its reason',
  async () => {
    const executors = [{ exitCode: 9, startedMs: 1_790_000_000_000, endedMs: 1_790_000_001_000 }];
    world.behave(() => ({ work: async () => longRecord({ executors }) }));
    const [ended] = await world.ended(await world.accept([longTask('long')]));
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'executor-failed' });
    expect(ended?.failure).toContain('exited with code 9');
  },
);

test.runIf(isLong)(
  '20,000 declared outputs that were not written give 100 warnings and a count',
  async () => {
    const outputs = Array.from({ length: 20_000 }, (_, at) => ({
      url: `s3://data/m/${at}`,
      path: `/out/${at}`,
      type: 'FILE' as const,
    }));
    const missing = outputs.map((_, at) => at);
    world.behave(() => ({
      work: async () => longRecord({ outputs: [], missingOutputs: missing }),
    }));
    const [ended] = await world.ended(
      await world.accept([newTask('missing', { spec: { outputs } })]),
    );
    expect(ended?.place).toBe('done');
    const warnings = JSON.parse(ended?.warnings ?? '[]') as string[];
    expect(warnings).toHaveLength(101);
    expect(warnings.at(-1)).toBe('19900 more warnings are not shown.');
  },
);
