/**
 * Clients written in Python against the whole of Batchwell, unmodified: py-tes, and Snakemake with
 * its TES executor.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';
import { pythonTools } from './python.ts';

const run = promisify(execFile);
const SLOW_MS = 420_000;

let stack: Stack;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'python-clients-'));
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
  await rm(folder, { recursive: true, force: true });
}, SLOW_MS);

const text = async (url: string): Promise<string | undefined> =>
  (await stack.objects.get(url))?.toString('utf8');

const PY_TES = `
import json, sys, tes
url, bucket = sys.argv[1:]
client = tes.HTTPClient(url, timeout=30)
assert client.get_service_info().name == 'Batchwell'
def task(command, to):
    return tes.Task(
        name='py-tes', tags={'run': 'py-tes'},
        inputs=[tes.Input(content='one\\ntwo\\nthree\\n', path='/in/lines'), tes.Input(url=f's3://{bucket}/in/more', path='/in/more')],
        outputs=[tes.Output(url=f's3://{bucket}/out/{to}', path='/out/all'), tes.Output(url=f's3://{bucket}/out/{to}-parts', path='/out/parts', type='DIRECTORY')],
        executors=[
            tes.Executor(image='debian:stable-slim', command=['sh', '-c', command], stdout='/out/all'),
            tes.Executor(image='debian:stable-slim', command=['sh', '-c', 'mkdir -p /out/parts/deep && cp /in/lines /out/parts/deep/lines && wc -l'], stdin='/in/lines', stdout='/out/parts/count'),
        ],
        resources=tes.Resources(cpu_cores=1, ram_gb=0.5))
good = client.create_task(task('cat /in/lines /in/more', 'good'))
bad = client.create_task(task('echo oops >&2; exit 9', 'bad'))
ended = client.wait(good, timeout=120)
try:
    client.wait(bad, timeout=120)
except Exception:
    pass
full, failed = client.get_task(good, 'FULL'), client.get_task(bad, 'FULL')
listed = client.list_tasks(view='MINIMAL', page_size=1)
slow = client.create_task(tes.Task(executors=[tes.Executor(image='debian:stable-slim', command=['sleep', '300'])]))
client.cancel_task(slow)
print(json.dumps({
    'ended': ended.state, 'exits': [log.exit_code for log in full.logs[0].logs],
    'outputs': sorted((out.path, out.size_bytes) for out in full.logs[0].outputs),
    'failed': failed.state, 'code': failed.logs[0].logs[0].exit_code, 'stderr': failed.logs[0].logs[0].stderr,
    'listed': len(listed.tasks), 'more': listed.next_page_token is not None, 'cancelled': client.get_task(slow).state,
}))
`;

/** 0.4.2 does not declare a package that it needs. */
const pyTes = { '1.1.1': [], '0.4.2': ['six'] };

test.for(Object.entries(pyTes))(
  'py-tes %s creates, waits for, shows, lists and cancels tasks',
  { timeout: SLOW_MS },
  async ([version, more], { skip }) => {
    const tools = await pythonTools(`py-tes-${version}`, [`py-tes==${version}`, ...more]);
    if ('why' in tools) return skip(tools.why);
    await stack.objects.put(`s3://${stack.bucket}/in/more`, 'four\n');
    const { stdout } = await run(join(tools.bin, 'python'), [
      '-c',
      PY_TES,
      `${stack.apiUrl}/ga4gh/tes`,
      stack.bucket,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      ended: 'COMPLETE',
      exits: [0, 0],
      outputs: [
        ['/out/all', '19'],
        ['/out/parts/count', '2'],
        ['/out/parts/deep/lines', '14'],
      ].map(([path, size]) => [path, expect.toBeOneOf([size, Number(size)])]),
      failed: 'EXECUTOR_ERROR',
      code: 9,
      stderr: 'oops\n',
      listed: 1,
      more: true,
      cancelled: 'CANCELED',
    });
    expect(await text(`s3://${stack.bucket}/out/good`)).toBe('one\ntwo\nthree\nfour\n');
    expect(await text(`s3://${stack.bucket}/out/good-parts/deep/lines`)).toBe('one\ntwo\nthree\n');
  },
);

/**
 * `envvars` passes the driver's PATH to the jobs, because there is no container engine here to run
 * Snakemake's own image.
 */
const SNAKEFILE = `
envvars: "PATH"
samples = ["a", "b", "c"]
rule all:
    input: "total.txt"
rule count:
    input: "reads/{s}.txt"
    output: "counts/{s}.txt"
    shell: "wc -l < {input} > {output}"
rule total:
    input: expand("counts/{s}.txt", s=samples)
    output: "total.txt"
    shell: "cat {input} | awk '{{n += $1}} END {{print n}}' > {output}"
`;

test(
  'Snakemake runs a workflow of four jobs with its files in S3',
  async ({ skip }) => {
    const tools = await pythonTools(
      'snakemake',
      [
        'py-tes==0.4.2',
        'snakemake==9.27.1',
        'snakemake-executor-plugin-tes==0.1.3',
        'snakemake-storage-plugin-s3==0.3.6',
      ],
      true,
    );
    if ('why' in tools) return skip(tools.why);
    for (const [name, lines] of [
      ['a', 7],
      ['b', 8],
      ['c', 9],
    ] as const)
      await stack.objects.put(`s3://${stack.bucket}/smk/reads/${name}.txt`, 'line\n'.repeat(lines));
    await writeFile(join(folder, 'Snakefile'), SNAKEFILE);
    const { s3Url = '', credentials = {} } = stack.localAws ?? {};
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } =
      credentials;
    await run(
      join(tools.bin, 'snakemake'),
      [
        '--executor',
        'tes',
        '--tes-url',
        `${stack.apiUrl}/ga4gh/tes`,
        '--jobs',
        '4',
        '--container-image',
        'snakemake/snakemake:v9.27.1',
        '--seconds-between-status-checks',
        '1',
        '--default-storage-provider',
        's3',
        '--default-storage-prefix',
        `s3://${stack.bucket}/smk`,
        '--storage-s3-endpoint-url',
        s3Url,
        '--storage-s3-access-key',
        accessKeyId,
        '--storage-s3-secret-key',
        secretAccessKey,
      ],
      {
        cwd: folder,
        maxBuffer: 1024 ** 3,
        env: {
          PATH: `${tools.bin}:/usr/bin:/bin`,
          HOME: folder,
          AWS_ACCESS_KEY_ID: accessKeyId,
          AWS_SECRET_ACCESS_KEY: secretAccessKey,
          SNAKEMAKE_STORAGE_S3_ACCESS_KEY: accessKeyId,
          SNAKEMAKE_STORAGE_S3_SECRET_KEY: secretAccessKey,
        },
      },
    );
    expect(await text(`s3://${stack.bucket}/smk/total.txt`)).toBe('24\n');
    expect(await text(`s3://${stack.bucket}/smk/counts/b.txt`)).toBe('8\n');
  },
  SLOW_MS,
);
