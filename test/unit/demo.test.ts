import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countsBetween, fleetRequests } from '../../cli/demo/ledger.ts';
import type { RunMeasurements } from '../../cli/demo/measured-run.ts';
import { makeShards } from '../../cli/demo/reads.ts';
import { describeRequests, describeResult, describeRuns } from '../../cli/demo/report.ts';
import {
  addReads,
  compareStatistics,
  noReads,
  parseStatistics,
  topKmers,
} from '../../cli/demo/statistics.ts';
import { createMetrics } from '../../telemetry/metrics.ts';

const run = promisify(execFile);
const awkFile = (name: string) => fileURLToPath(new URL(`../../cli/demo/${name}`, import.meta.url));
const shards = [...makeShards({ shards: 3, readsPerShard: 40, seed: 7 })];

describe('the reads', () => {
  it('the reads are the same in every run and differ for another seed', () => {
    expect([...makeShards({ shards: 3, readsPerShard: 40, seed: 7 })]).toEqual(shards);
    expect([...makeShards({ shards: 3, readsPerShard: 40, seed: 8 })]).not.toEqual(shards);
  });

  it('the reads are FASTQ of 100 to 150 bases, with a few Ns', () => {
    const lines = shards.join('').trimEnd().split('\n');
    expect(lines).toHaveLength(3 * 40 * 4);
    for (let at = 0; at < lines.length; at += 4) {
      const bases = lines[at + 1]!;
      expect(lines[at]).toMatch(/^@batchwell:\d+:\d+ length=\d+$/);
      expect(bases).toMatch(/^[ACGTN]{100,150}$/);
      expect(lines[at + 2]).toBe('+');
      expect(lines[at + 3]).toHaveLength(bases.length);
    }
    expect(shards.join('')).toMatch(/[ACGT]N/);
  });
});

describe('the tasks’ awk', () => {
  let folder: string;
  const files: string[] = [];
  const direct = noReads();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'batchwell-demo-'));
    for (const [at, text] of shards.entries()) {
      const file = join(folder, `${at}.fastq`);
      await writeFile(file, text);
      files.push(file);
      addReads(direct, text);
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('the awk programs of the tasks count exactly what the direct computation counts', async () => {
    const parts = await Promise.all(
      files.map(async (file) => {
        const { stdout } = await run('awk', ['-f', awkFile('shard.awk'), file]);
        await writeFile(`${file}.tsv`, stdout);
        return `${file}.tsv`;
      }),
    );
    const { stdout } = await run('awk', ['-f', awkFile('merge.awk'), ...parts]);
    const scattered = parseStatistics(stdout);
    expect(compareStatistics(scattered, direct)).toEqual([]);
    expect(scattered.reads).toBe(120);
    expect(scattered.kmers.size).toBeGreaterThan(1000);
  });

  it('compareStatistics reports a single wrong number', () => {
    const wrong = { ...direct, gc: direct.gc + 1, kmers: new Map(direct.kmers) };
    const [[kmer, times]] = topKmers(direct, 1) as [[string, number]];
    wrong.kmers.set(kmer, times - 1);
    expect(compareStatistics(wrong, direct)).toEqual([
      `gc: ${direct.gc + 1} by the scatter, ${direct.gc} directly`,
      `1 of ${direct.kmers.size} 6-mers, such as ${kmer}: ${times - 1} by the scatter, ${times} directly`,
    ]);
  });
});

it('parseStatistics refuses a line that is not a statistic', () => {
  expect(() => parseStatistics('reads\t5\nawk: out of memory\n')).toThrow('"awk: out of memory"');
});

it('the requests of a run are the difference between two readings of the ledger', () => {
  const before = {
    byOperation: { 'batch.SubmitJob': 1, 's3.GetObject': 5 },
    byFleet: { 'batch.SubmitJob': 1 },
    starts: 3,
  };
  const after = {
    byOperation: { 'batch.SubmitJob': 2, 's3.GetObject': 5, 's3.CopyObject': 9 },
    byFleet: { 'batch.SubmitJob': 2, 's3.CopyObject': 9 },
    starts: 3,
  };
  expect(countsBetween(before, after)).toEqual({
    byOperation: { 'batch.SubmitJob': 1, 's3.CopyObject': 9 },
    byFleet: { 'batch.SubmitJob': 1, 's3.CopyObject': 9 },
    starts: 0,
  });
});

it('the requests of the fleet are the sum of its metrics over all codes and workers', async () => {
  const metrics = createMetrics();
  metrics.awsRequests.inc({ service: 's3', operation: 'PutObject', code: '200' }, 4);
  metrics.awsRequests.inc({ service: 's3', operation: 'PutObject', code: '503' }, 1);
  metrics.awsRequests.inc({ service: 'batch', operation: 'SubmitJob', code: '200' }, 2);
  const text = await metrics.registry.metrics();
  expect(fleetRequests(`${text}\n${text}`)).toEqual({ 's3.PutObject': 10, 'batch.SubmitJob': 4 });
});

describe('the report', () => {
  const run = (measured: Partial<RunMeasurements>): RunMeasurements => ({
    tasks: 4,
    wallMs: 0,
    scatterMs: 0,
    gatherMs: 0,
    cacheHits: 0,
    starts: 0,
    requests: {},
    fleetRequests: {},
    ...measured,
  });
  const first = run({
    wallMs: 61_000,
    starts: 4,
    requests: { 'batch.SubmitJob': 2, 's3.GetObject': 24, 's3.PutObject': 9 },
    fleetRequests: { 'batch.SubmitJob': 2, 's3.PutObject': 1 },
  });
  const second = run({
    wallMs: 500,
    cacheHits: 4,
    requests: { 's3.CopyObject': 4 },
    fleetRequests: { 's3.CopyObject': 4 },
  });

  it('the table of both runs counts the requests of the fleet per task', () => {
    expect(describeRuns(first, second).split('\n')).toEqual([
      '                                       FIRST RUN   SECOND RUN',
      'wall time                              1 min 01 s  500 ms',
      'containers started                     4           0',
      'cache hits                             0           4',
      'Batch requests per task, of the fleet  0.500       0.000',
      'S3 requests per task, of the fleet     0.250       1.000',
    ]);
  });

  it('the table of all requests counts those of the tasks, too', () => {
    const rows = describeRequests(first, second).split('\n');
    expect(rows[0]).toMatch(/^AWS REQUESTS +FIRST RUN +PER TASK +FLEET, PER TASK/);
    expect(rows.find((row) => row.startsWith('s3 GetObject'))).toMatch(/24 +6\.000 +0\.000 +0 /);
    expect(rows.at(-1)).toMatch(/^all +35 +8\.750 +0\.750 +4 +1\.000$/);
  });

  it('the result is one line', () => {
    const result = noReads();
    addReads(result, shards.join(''));
    expect(describeResult(result)).toMatch(
      /^Result: 120 reads, [\d,]+ bases, \d+\.\d\d % GC, .*mean quality \d+\.\d\d; [\d,]+ different 6-mers\.$/,
    );
  });
});
