import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bundleStager } from '../../stager/bundle.ts';
import { emptyTask, makeWorld, shell } from './stager-world.ts';
import type { Ended, World } from './stager-world.ts';
import { crcOf } from './tiny-s3.ts';

let built: string;
let stager: string[];
let world: World;

beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'stager-built-'));
  await bundleStager(join(built, 'stager.mjs'));
  stager = [process.execPath, join(built, 'stager.mjs')];
});
afterAll(() => rm(built, { recursive: true, force: true }));
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const run = (env?: Record<string, string>): Promise<Ended> => world.start(stager, env).ended;

describe('a task that ends well', () => {
  test('reads its inputs, runs its executors, writes its outputs, and says so last', async () => {
    const { folder } = world;
    await world.s3.put('data/reads.fq', 'ACGT\n');
    await world.s3.put('data/ref/a b/genome.fa', 'G');
    await world.s3.put('data/ref/index', 'I');
    await world.submit(emptyTask({
      inputs: [
        { name: 'reads', url: 's3://data/reads.fq', path: `${folder}/in/reads.fq`, type: 'FILE' },
        { url: 's3://data/ref', path: `${folder}/ref`, type: 'DIRECTORY' },
        { content: "it's $HOME", path: `${folder}/in/note`, type: 'FILE' },
      ],
      outputs: [
        { url: 's3://out/all.txt', path: `${folder}/out/all.txt`, type: 'FILE' },
        { url: 's3://out/tree/', path: `${folder}/out`, type: 'DIRECTORY' },
        { url: 's3://out/matches', path: `${folder}/out/part[0-9].*`, path_prefix: `${folder}/out/`, type: 'FILE' },
        { url: 's3://out/absent', path: `${folder}/absent`, type: 'FILE' },
      ],
      executors: [
        { ...shell('cat "$1/in/reads.fq" "$1/ref/a b/genome.fa" "$1/ref/index" "$1/in/note"; echo warned >&2; printf x > part1.txt; printf y > part2.txt; : > empty'), workdir: `${folder}/out`, stdout: `${folder}/out/all.txt` },
        { ...shell('read line; echo "$line and $WHO"'), stdin: `${folder}/out/all.txt`, env: { WHO: 'me' } },
      ].map((executor, position) => (position === 0 ? { ...executor, command: [...executor.command, 'sh', folder] } : executor)),
    }));

    const { code, output } = await run();

    expect(output).not.toContain('"reason"');
    expect(code).toBe(0);
    const seen = world.result();
    expect(seen?.attempt).toBe(1);
    expect(seen?.record.error).toBeUndefined();
    expect(seen?.record.executors.map((one) => one.exitCode)).toEqual([0, 0]);
    expect(seen?.record.missingOutputs).toEqual([3]);
    const text = "ACGT\nGIit's $HOME";
    expect(seen?.record.outputs.map(({ output, path, sizeBytes }) => [output, path, sizeBytes])).toEqual([
      [0, '', text.length],
      [1, 'all.txt', text.length], [1, 'empty', 0], [1, 'part1.txt', 1], [1, 'part2.txt', 1],
      [2, 'part1.txt', 1], [2, 'part2.txt', 1],
    ]);
    expect(seen?.record.outputs[0]?.crc64nvme).toBe(await crcOf(Buffer.from(text)));
    expect(world.s3.text('out/all.txt')).toBe(text);
    expect(world.s3.text('out/tree/part2.txt')).toBe('y');
    expect(world.s3.text('out/matches/part1.txt')).toBe('x');
    expect(JSON.parse(world.log('rc') ?? '')).toEqual([0, 0]);
    expect(world.log('0.stdout')).toBe(text);
    expect(world.log('0.stderr')).toBe('warned\n');
    expect(world.log('1.stdout')).toBe('ACGT and me\n');
    expect(world.log('1.stderr')).toBeUndefined();
    const writes = world.s3.requests.filter((request) => request.startsWith('PUT'));
    expect(writes.at(-1)).toContain('/results/');
    expect(writes.findIndex((write) => write.endsWith('/rc'))).toBeLessThan(writes.findIndex((write) => write.startsWith('PUT out/')));
  });
});
