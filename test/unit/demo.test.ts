import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countsBetween, fleetRequests } from '../../cli/demo/ledger.ts';
import { makeShards } from '../../cli/demo/reads.ts';
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
  it('are the same at every run and others for another seed', () => {
    expect([...makeShards({ shards: 3, readsPerShard: 40, seed: 7 })]).toEqual(shards);
    expect([...makeShards({ shards: 3, readsPerShard: 40, seed: 8 })]).not.toEqual(shards);
  });

  it('are FASTQ of 100 to 150 bases, with a few Ns', () => {
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

  it('counts exactly what the direct computation counts', async () => {
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

  it('a single wrong number is told', () => {
    const wrong = { ...direct, gc: direct.gc + 1, kmers: new Map(direct.kmers) };
    const [[kmer, times]] = topKmers(direct, 1) as [[string, number]];
    wrong.kmers.set(kmer, times - 1);
    expect(compareStatistics(wrong, direct)).toEqual([
      `gc: ${direct.gc + 1} by the scatter, ${direct.gc} directly`,
      `1 of ${direct.kmers.size} 6-mers, such as ${kmer}: ${times - 1} by the scatter, ${times} directly`,
    ]);
  });
});

it('a line that is no statistic is refused', () => {
  expect(() => parseStatistics('reads\t5\nawk: out of memory\n')).toThrow('"awk: out of memory"');
});

it('requests of a run are what came between two readings of the ledger', () => {
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

it('the fleet’s share is read from its metrics, over all codes and workers', async () => {
  const metrics = createMetrics();
  metrics.awsRequests.inc({ service: 's3', operation: 'PutObject', code: '200' }, 4);
  metrics.awsRequests.inc({ service: 's3', operation: 'PutObject', code: '503' }, 1);
  metrics.awsRequests.inc({ service: 'batch', operation: 'SubmitJob', code: '200' }, 2);
  const text = await metrics.registry.metrics();
  expect(fleetRequests(`${text}\n${text}`)).toEqual({ 's3.PutObject': 10, 'batch.SubmitJob': 4 });
});
