/**
 * Cromwell's config backend through the shims: what Cromwell does around them is played, according
 * to the configuration in examples/cromwell.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';
import { cromwellScript, missingPrograms, type CromwellTask } from '../cromwell.ts';

const missing = missingPrograms(['bash', 'curl', 'awk', 'sha256sum']);
const SLOW_MS = 90_000;
const shim = (name: string): string =>
  fileURLToPath(new URL(`../../cromwell/batchwell-${name}`, import.meta.url));

beforeEach(({ skip }) => skip(missing.length > 0, `no ${missing.join(', ')} on PATH`));

let stack: Stack;
let folder: string;
/** Cromwell's root, with every kind of character in its path. */
let root: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cromwell-shims-'));
  root = join(folder, 'it\'s a "root" of ünïcode $HOME');
  await mkdir(root);
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
      BATCHWELL_PATH_MAP: `${root}=s3://sfs-root/x`,
    },
  });
  await stack.objects.ensureBucket('sfs-root');
}, SLOW_MS);
afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, SLOW_MS);

interface Ran {
  code: number;
  out: string;
  err: string;
}

const run = (name: string, words: string[], url = stack.apiUrl): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(
      'sh',
      [shim(name), ...words],
      { env: { PATH: process.env['PATH'], BATCHWELL_URL: url } },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });

/** Writes a file to the root and to the bucket, as a mount would. */
async function write(path: string, content: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  await stack.objects.put(`s3://sfs-root/x${path.slice(root.length)}`, content);
}
const read = async (path: string): Promise<string | undefined> =>
  (await stack.objects.get(`s3://sfs-root/x${path.slice(root.length)}`))?.toString('utf8');

/** A call as Cromwell prepares it, and the arguments of its submit. */
async function call(
  name: string,
  command: (inside: string) => string,
  {
    workflow = 'dddddddd-0000-4000-8000-000000000001',
    inputs = { '1/read me.txt': 'a\nb\n' },
  }: { workflow?: string; inputs?: Record<string, string> } = {},
): Promise<{ cwd: string; words: string[] }> {
  const cwd = join(root, 'wf', workflow, `call-${name}`);
  const inside = `/cromwell-executions/wf/${workflow}/call-${name}`;
  const task = {
    inputs: [{ name: 'commandScript', path: `${inside}/execution/script` }],
    executors: [{ stdout: `${inside}/execution/stdout` }],
    tags: { workflow_id: workflow },
  } as unknown as CromwellTask;
  for (const [path, content] of Object.entries(inputs))
    await write(join(cwd, 'inputs', path), content);
  await write(join(cwd, 'execution/script'), cromwellScript(task, command(inside)));
  return {
    cwd,
    words: [
      '--cwd',
      cwd,
      '--docker-cwd',
      inside,
      '--script',
      `${inside}/execution/script`,
      '--image',
      'debian:stable-slim',
      '--name',
      `wf.${name}`,
      '--cpu',
      '1',
      '--memory-gb',
      '0.5',
    ],
  };
}

async function ended(id: string): Promise<void> {
  await expect
    .poll(async () => (await run('alive', [id])).code, { timeout: 60_000, interval: 200 })
    .toBe(1);
}

test(
  'a call is submitted once, is alive until it ends, and its rc is beside its outputs',
  async () => {
    const { cwd, words } = await call(
      'count',
      (inside) => `wc -l < "${inside}/inputs/1/read me.txt" | tr -d ' ' > count.txt; echo said`,
    );
    const first = await run('submit', words);
    expect(first).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/^task-[0-9a-z]+-[0-9a-f]{6}\n$/),
    });
    const again = await run('submit', words);
    expect(again.out, 'the same folder is the same task').toBe(first.out);
    const id = first.out.trim();
    await ended(id);
    expect(await read(join(cwd, 'execution/rc'))).toBe('0\n');
    expect(await read(join(cwd, 'execution/count.txt'))).toBe('2\n');
    expect(await read(join(cwd, 'execution/stdout'))).toBe('said\n');
  },
  SLOW_MS,
);

const [FIRST, SECOND, THIRD] = [1, 2, 3].map((n) => `eeeeeeee-0000-4000-8000-00000000000${n}`) as [
  string,
  string,
  string,
];

/** A call with two inputs that other calls made: Cromwell puts each in a folder that is named by a number. */
async function gather(
  workflow: string,
  { numbers: [left, right], x = 'x\n' }: { numbers: [number, number]; x?: string },
): Promise<{ cwd: string; id: string; script: string | undefined }> {
  const list = 'write_lines_00112233445566778899aabbccddeeff.tmp';
  const { cwd, words } = await call(
    'gather',
    (inside) =>
      `paste -d, ${inside}/inputs/${left}/x.txt ${inside}/inputs/${right}/y.txt > pasted.txt\n` +
      `test -s ${inside}/execution/${list}\ntrue > listed`,
    { workflow, inputs: { [`${left}/x.txt`]: x, [`${right}/y.txt`]: 'y\n' } },
  );
  const inside = words[words.indexOf('--docker-cwd') + 1];
  await write(
    join(cwd, 'execution', list),
    `${inside}/inputs/${left}/x.txt\n${inside}/inputs/${right}/y.txt\n`,
  );
  const script = await read(join(cwd, 'execution/script'));
  const submitted = await run('submit', [...words, '--cache', 'readwrite']);
  expect(submitted).toMatchObject({ code: 0, err: '' });
  const id = submitted.out.trim();
  await ended(id);
  expect(await read(join(cwd, 'execution/rc'))).toBe('0\n');
  return { cwd, id, script };
}

const outcomeOf = async (id: string): Promise<string | undefined> => {
  const answer = await fetch(`${stack.apiUrl}/ga4gh/tes/v1/tasks/${id}?view=FULL`);
  const task = (await answer.json()) as { logs: { metadata?: { cache?: string } }[] };
  return task.logs[0]?.metadata?.cache;
};

test(
  'an equal call of another workflow is a hit, whatever the numbers of its input folders, and keeps its own script',
  async () => {
    const made = await gather(FIRST, { numbers: [-11, 22] });
    const hit = await gather(SECOND, { numbers: [44, -33] });
    const other = await gather(THIRD, { numbers: [5, 6], x: 'other\n' });
    expect(await Promise.all([made, hit, other].map(({ id }) => outcomeOf(id)))).toEqual([
      undefined,
      'hit',
      undefined,
    ]);
    const pasted = ({ cwd }: { cwd: string }) => read(join(cwd, 'execution/pasted.txt'));
    expect([await pasted(made), await pasted(hit), await pasted(other)]).toEqual([
      'x,y\n',
      'x,y\n',
      'other,y\n',
    ]);
    expect(await read(join(hit.cwd, 'execution/listed'))).toBe('');
    expect(await read(join(hit.cwd, 'execution/script'))).toBe(hit.script);
  },
  SLOW_MS,
);

test(
  'a kill ends a task, and succeeds again for an ended or unknown task',
  async () => {
    const { words } = await call('long', () => 'sleep 300');
    const id = (await run('submit', words)).out.trim();
    expect((await run('alive', [id])).code).toBe(0);
    for (const one of [id, id, 'task-1-000000'])
      expect(await run('kill', [one])).toEqual({ code: 0, out: '', err: '' });
    await ended(id);
  },
  SLOW_MS,
);

test(
  'a task counts as alive while the API cannot be reached, and an unknown task counts as dead',
  async () => {
    const nowhere = 'http://127.0.0.1:1';
    expect((await run('alive', ['task-1-abcdef'], nowhere)).code).toBe(0);
    expect((await run('alive', ['task-1-000000'])).code).toBe(1);
  },
  SLOW_MS,
);

test.each([
  [[], '--cwd is missing'],
  [['--cwd'], '--cwd needs a value'],
  [['--cwd', '/x', '--script', '/s'], '--image is missing'],
  [['--colour', 'red'], 'unknown option --colour'],
  [['--cwd', '/x', '--script', '/s', '--image', 'i', '--cpu', '1; rm'], 'is not a number'],
])('the command batchwell-submit %j reports what is wrong', async (words, said) => {
  const ran = await run('submit', words);
  expect(ran).toMatchObject({ code: 2, out: '' });
  expect(ran.err).toContain(said);
});

test('a task that the API refuses is reported in its words', async () => {
  const { words } = await call('refused', () => 'true');
  const ran = await run(
    'submit',
    words.map((word) => (word === 'debian:stable-slim' ? 'two words' : word)),
  );
  expect(ran.code).toBe(1);
  expect(ran.err).toContain('executors[0].image');
});
