/** Folders that hosts share with tasks, on a whole Batchwell: what a Nextflow with a local work folder needs. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';

const SLOW_MS = 90_000;

let stack: Stack;
let folder: string;
/** /mnt/shared in the fixtures. */
let shared: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shared-folders-'));
  shared = join(folder, 'shared');
  await mkdir(join(shared, 'x'), { recursive: true });
  await writeFile(join(shared, 'x/in.txt'), 'what the host has\n');
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    },
    settings: { BATCHWELL_SHARED_FOLDERS: shared, BATCHWELL_CACHE: 'readwrite' },
  });
}, SLOW_MS);
afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, SLOW_MS);

interface Ended {
  state: string;
  logs: { outputs: { url: string; size_bytes: string }[]; system_logs?: string[] }[];
}

const ask = async (path: string, init?: RequestInit): Promise<unknown> =>
  (await fetch(`${stack.apiUrl}${path}`, init)).json();
const post = async (task: object): Promise<{ id?: string; message?: string }> =>
  (await ask('/ga4gh/tes/v1/tasks', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(task),
  })) as { id?: string; message?: string };
async function ended(id: string): Promise<Ended> {
  for (;;) {
    const task = (await ask(`/ga4gh/tes/v1/tasks/${id}?wait=30s&view=FULL`)) as Ended;
    if (!['QUEUED', 'INITIALIZING', 'RUNNING'].includes(task.state)) return task;
  }
}
async function ran(task: object): Promise<Ended & { id: string }> {
  const { id, message } = await post(task);
  if (id === undefined) throw new Error(message);
  return { id, ...(await ended(id)) };
}

/** A case as it was met, with its own scratch and shared folder. */
const fixture = async (name: string): Promise<object> =>
  JSON.parse(
    (await readFile(new URL(`../fixtures/field/${name}.json`, import.meta.url), 'utf8'))
      .replaceAll('/mnt/shared', shared)
      .replaceAll('/work', join(folder, 'work')),
  ) as object;

const explained = async (id: string): Promise<string> =>
  JSON.stringify(await ask(`/v1/tasks/${id}/cache-explanation`));

test.each([
  ['shared-folder-other-path', 'out.txt', 'input-not-in-s3'],
  ['shared-folder-output', 'out2.txt', 'input-not-in-s3'],
])(
  'a task whose files are in a shared folder under another path succeeds each time, and is not cached: %s',
  async (name, output, reason) => {
    for (const text of ['what the host has\n', 'what it has later\n']) {
      await writeFile(join(shared, 'x/in.txt'), text);
      const { id, state, logs } = await ran(await fixture(name));
      expect(state).toBe('COMPLETE');
      expect(logs[0]?.outputs).toEqual([
        { url: join(shared, 'x', output), path: expect.any(String), size_bytes: '18' },
      ]);
      expect(await readFile(join(shared, 'x', output), 'utf8')).toBe(text);
      expect(await explained(id)).toContain(reason);
    }
    expect((await readdir(join(shared, 'x'))).filter((one) => one.startsWith('.'))).toEqual([]);
  },
  SLOW_MS,
);

test(
  'an output to a shared folder is written each time, because a hit cannot copy it there',
  async () => {
    const task = {
      inputs: [{ content: 'c', path: join(folder, 'work/c') }],
      outputs: [{ url: `file://${shared}/hit/c`, path: join(folder, 'work/c') }],
      executors: [{ image: 'debian:stable-slim', command: ['true'] }],
    };
    for (const _ of [1, 2]) {
      const { id, state } = await ran(task);
      expect(state).toBe('COMPLETE');
      expect(await readFile(join(shared, 'hit/c'), 'utf8')).toBe('c');
      expect(await explained(id)).toContain('output-not-in-s3');
      await rm(join(shared, 'hit'), { recursive: true });
    }
  },
  SLOW_MS,
);

/** A process as nf-ga4gh posts it; its work folder is in the shared folder. */
async function nextflowTask(
  hash: string,
  command: string,
  { inputs = [], outputs }: { inputs?: { from: string; type?: 'DIRECTORY' }[]; outputs: string[] },
): Promise<object> {
  const [at, work] = [join(shared, 'work', hash), join(folder, 'nf-work')];
  await mkdir(at, { recursive: true });
  await writeFile(join(at, '.command.sh'), `#!/bin/bash\n${command}\n`);
  await writeFile(
    join(at, '.command.run'),
    `#!/bin/bash\ncd ${work}\nbash .command.sh > .command.out 2> .command.err\necho -n $? > .exitcode\n`,
  );
  return {
    name: 'align (1)',
    inputs: [
      ...['.command.run', '.command.sh'].map((name) => ({
        url: join(at, name),
        path: `${work}/${name}`,
      })),
      ...inputs.map(({ from, type = 'FILE' }) => ({
        url: join(shared, 'work', from),
        path: `${work}/${from.slice(from.lastIndexOf('/') + 1)}`,
        type,
      })),
    ],
    outputs: ['.command.out', '.command.err', '.exitcode', '.command.trace', ...outputs].map(
      (name) => ({ url: join(at, name), path: `${work}/${name}` }),
    ),
    executors: [
      { image: 'debian:stable-slim', command: ['/bin/bash', '.command.run'], workdir: work },
    ],
  };
}

test(
  'a Nextflow with its default work folder gets the files of one process into the next one',
  async () => {
    const [one, two] = ['ab/0123456789abcdef0123456789abcd', 'cd/fedcba9876543210fedcba98765432'];
    await mkdir(join(shared, 'work/tools'), { recursive: true });
    await writeFile(join(shared, 'work/tools/t'), 'tool\n');
    const first = await ran(
      await nextflowTask(one, 'echo said; echo 1 > n.txt', { outputs: ['n.txt'] }),
    );
    expect(first.state).toBe('COMPLETE');
    const read = (path: string) => readFile(join(shared, 'work', path), 'utf8');
    expect([await read(`${one}/.command.out`), await read(`${one}/.exitcode`)]).toEqual([
      'said\n',
      '0',
    ]);
    const second = await ran(
      await nextflowTask(two, 'mkdir -p out/empty; cat n.txt tools/t > out/m.txt', {
        inputs: [{ from: `${one}/n.txt` }, { from: `tools`, type: 'DIRECTORY' }],
        outputs: ['out/'],
      }),
    );
    expect(second.state).toBe('COMPLETE');
    expect(await read(`${two}/out/m.txt`)).toBe('1\ntool\n');
    expect((await readdir(join(shared, 'work', two, 'out'))).toSorted()).toEqual([
      'empty',
      'm.txt',
    ]);
  },
  SLOW_MS,
);

test('a path outside of the shared folders is refused when the task is sent', async () => {
  const { message } = await post({
    inputs: [{ url: `${shared}/../secret`, path: '/in' }],
    outputs: [{ url: join(folder, 'elsewhere'), path: '/out' }],
    executors: [{ image: 'debian:stable-slim', command: ['true'] }],
  });
  expect(message).toContain(
    `inputs[0].url: expected a URL that tasks can reach, or a path without ".." below ${shared} (BATCHWELL_SHARED_FOLDERS), got`,
  );
  expect(message).toContain('(and 1 more)');
});
