/** Sprocket, a WDL engine, with its TES backend: unmodified, against the whole of Batchwell. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';

const run = promisify(execFile);
const SLOW_MS = 420_000;
/** Compiling it takes a quarter of an hour on two cores, so the test does not do it. */
const HOW_TO =
  'sprocket is not installed; `cargo install sprocket --version 0.33.0 --locked --root /opt/batchwell-interop/sprocket` brings it';
const PROGRAMS = ['sprocket', '/opt/batchwell-interop/sprocket/bin/sprocket'];

let stack: Stack;
let folder: string;
let program: string | undefined;
beforeAll(async () => {
  for (const one of PROGRAMS)
    if (program === undefined && (await run(one, ['--version']).catch(() => undefined)))
      program = one;
  if (program === undefined) return;
  folder = await mkdtemp(join(tmpdir(), 'sprocket-'));
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
      BATCHWELL_CACHE: 'off',
    },
  });
}, SLOW_MS);
afterAll(async () => {
  await stack?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
}, SLOW_MS);

const WDL = `
version 1.2

task count {
  input { File reads }
  command <<< wc -l < ~{reads} | tr -d ' ' >>>
  output { Int lines = read_int(stdout()) }
  requirements { container: "debian:stable-slim" cpu: 1 memory: "512 MiB" }
}

task sum {
  input { Array[Int] counts }
  command <<<
    total=0
    for n in ~{sep(" ", counts)}; do total=$((total + n)); done
    echo "$total" > total.txt
    echo summed >&2
  >>>
  output { File total = "total.txt" Int value = read_int("total.txt") }
  requirements { container: "debian:stable-slim" }
}

workflow tally {
  input { Array[File] samples }
  scatter (sample in samples) { call count { input: reads = sample } }
  call sum { input: counts = count.lines }
  output { Array[Int] counts = count.lines Int total = sum.value File file = sum.total }
}
`;

function settings({ apiUrl, bucket, localAws }: Stack): string {
  const { s3Url = '', credentials = {} } = localAws ?? {};
  return `
[run]
backend = "batchwell"
[run.backends.batchwell]
type = "tes"
url = "${apiUrl}/ga4gh/tes/v1/"
inputs = "s3://${bucket}/sprocket/in/"
outputs = "s3://${bucket}/sprocket/out/"
interval = 1
insecure = true
[run.storage.s3]
region = "us-east-1"
endpoint = "${s3Url}"
[run.storage.s3.auth]
access_key_id = "${credentials['AWS_ACCESS_KEY_ID']}"
secret_access_key = "${credentials['AWS_SECRET_ACCESS_KEY']}"
`;
}

test(
  'Sprocket runs a scatter and a gather, with local files and files in S3',
  async ({ skip }) => {
    if (program === undefined) return skip(HOW_TO);
    await stack.objects.put(`s3://${stack.bucket}/reads/b.txt`, 'line\n'.repeat(5));
    await writeFile(join(folder, 'a.txt'), 'line\n'.repeat(3));
    await writeFile(join(folder, 'tally.wdl'), WDL);
    await writeFile(join(folder, 'sprocket.toml'), settings(stack));
    await writeFile(
      join(folder, 'inputs.json'),
      JSON.stringify({
        'tally.samples': [join(folder, 'a.txt'), `s3://${stack.bucket}/reads/b.txt`],
      }),
    );
    const { stdout } = await run(
      program,
      ['run', '--config', 'sprocket.toml', '--output-dir', 'out', 'tally.wdl', '@inputs.json'],
      { cwd: folder, maxBuffer: 1024 ** 3, env: { PATH: '/usr/bin:/bin', HOME: folder } },
    );
    expect(JSON.parse(stdout)).toMatchObject({ 'tally.counts': [3, 5], 'tally.total': 8 });
    const outputs = JSON.parse(
      await readFile(join(folder, 'out/runs/tally/_latest/outputs.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect((await stack.objects.get(String(outputs['tally.file'])))?.toString()).toBe('8\n');
    const listed = (await (await fetch(`${stack.apiUrl}/ga4gh/tes/v1/tasks`)).json()) as {
      tasks: { state: string }[];
    };
    expect(listed.tasks.map(({ state }) => state)).toEqual(['COMPLETE', 'COMPLETE', 'COMPLETE']);
  },
  SLOW_MS,
);
