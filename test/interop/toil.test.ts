/**
 * Toil with its TES batch system, unmodified. Its job store is a folder that the hosts share with
 * the tasks.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
let shared: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toil-'));
  shared = join(folder, 'shared');
  await mkdir(shared);
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    },
    settings: { BATCHWELL_SHARED_FOLDERS: shared },
  });
}, SLOW_MS);
afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, SLOW_MS);

/**
 * Counts the lines of three files, each in its own job, and adds them up in a follow-on. One job
 * fails the first time.
 */
const WORKFLOW = `
import json, os, sys
from toil.common import Toil
from toil.job import Job

def parent(job, files):
    counts = [job.addChildJobFn(count, name, file, cores=1, memory='256M', disk='1M').rv() for name, file in files]
    return job.addFollowOnJobFn(total, counts, memory='256M', disk='1M').rv()

def count(job, name, file):
    marker = os.path.join(os.environ['SHARED'], 'failed-once')
    if name == 'b' and not os.path.exists(marker):
        open(marker, 'w').close()
        raise RuntimeError('the first try of b fails')
    with open(job.fileStore.readGlobalFile(file)) as lines:
        return name, len(lines.readlines())

def total(job, counts):
    path = job.fileStore.getLocalTempFile()
    with open(path, 'w') as out:
        json.dump({'counts': dict(counts), 'total': sum(number for _, number in counts)}, out)
    return job.fileStore.writeGlobalFile(path)

if __name__ == '__main__':
    parser = Job.Runner.getDefaultArgumentParser()
    parser.add_argument('here')
    options = parser.parse_args()
    with Toil(options) as toil:
        files = [(name, toil.importFile(f'file://{options.here}/{name}.txt')) for name in 'abc']
        found = toil.start(Job.wrapJobFn(parent, files, memory='256M', disk='1M'))
        toil.exportFile(found, f'file://{options.here}/result.json')
`;

async function runWorkflow(bin: string, signal: AbortSignal): Promise<void> {
  const script = join(folder, 'workflow.py');
  await writeFile(script, WORKFLOW);
  const path = `${bin}:/usr/bin:/bin`;
  await run(
    join(bin, 'python'),
    [
      script,
      join(shared, 'jobs'),
      folder,
      '--batchSystem',
      'tes',
      '--tesEndpoint',
      `${stack.apiUrl}/ga4gh/tes`,
      '--retryCount',
      '1',
      // In a task, a link to a file outside the folder is broken.
      '--symlinkImports',
      'False',
      '--caching',
      'False',
      '--workDir',
      folder,
      '--setEnv',
      `PATH=${path}`,
      '--setEnv',
      `SHARED=${shared}`,
      '--setEnv',
      'TOIL_WORKDIR=/tmp',
    ],
    {
      cwd: folder,
      signal,
      maxBuffer: 1024 ** 3,
      env: { PATH: path, HOME: folder, TMPDIR: folder },
    },
  );
}

/** Name and state of every task, as `parent COMPLETE`. */
async function tasksOfToil(): Promise<string[]> {
  const answer = await fetch(`${stack.apiUrl}/ga4gh/tes/v1/tasks?view=BASIC`);
  const { tasks } = (await answer.json()) as { tasks: { name: string; state: string }[] };
  return tasks.map(({ name, state }) => `${name.split("'")[1]} ${state}`).toSorted();
}

test(
  'Toil runs a parent, three children and a follow-on, and runs the job that failed again',
  async ({ skip, signal }) => {
    const tools = await pythonTools('toil', ['toil==7.0.0', 'toil-batch-system-tes==2.0.0'], true);
    if ('why' in tools) return skip(tools.why);
    for (const [name, lines] of [
      ['a', 7],
      ['b', 8],
      ['c', 9],
    ] as const)
      await writeFile(join(folder, `${name}.txt`), 'line\n'.repeat(lines));
    await runWorkflow(tools.bin, signal);
    expect(JSON.parse(await readFile(join(folder, 'result.json'), 'utf8'))).toEqual({
      counts: { a: 7, b: 8, c: 9 },
      total: 24,
    });
    expect(await tasksOfToil()).toEqual([
      ...Array.from({ length: 3 }, () => 'count COMPLETE'),
      'count EXECUTOR_ERROR',
      'parent COMPLETE',
      'total COMPLETE',
    ]);
  },
  SLOW_MS,
);
