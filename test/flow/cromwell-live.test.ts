/**
 * What a live Cromwell posted (test/fixtures/cromwell-live) runs to the end on one fleet, with the
 * commands of its WDLs, and runs again in other workflows as hits.
 */
// cspell:ignore memretry
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';
import { mapPath, readPathMap } from '../../core/files/path-map.ts';
import {
  cromwellClient,
  cromwellScript,
  missingPrograms,
  type CromwellClient,
  type CromwellTask,
} from '../cromwell.ts';
import { everySecond } from '../long.ts';

const missing = missingPrograms(['bash', 'mkfifo', 'tee', 'awk']);
const SLOW_MS = 90_000;
const PATHS = [
  '/mnt/shared/executions=s3://live-runs/executions',
  '/mnt/shared/inputs=s3://live-runs/inputs',
];
const map = readPathMap(PATHS);

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
    },
  });
  await stack.objects.ensureBucket('live-runs');
  cromwell = cromwellClient(`${stack.apiUrl}/ga4gh/tes/v1/tasks`);
}, SLOW_MS);
afterAll(() => stack?.stop(), SLOW_MS);

/** Of the name of a folder that holds what a glob found. */
const glob = (folder: string, pattern: string): string =>
  `mkdir ${folder}\n( ln -L ${pattern} ${folder} 2> /dev/null ) || true\nls -1 ${folder} > ${folder}.list`;

interface Story {
  command: (task: CromwellTask) => string;
  /** What the installation adds after the command; for globs, Cromwell itself. */
  epilogue?: string;
  rc?: string;
  /** Files beside rc and the logs, by name below the execution folder. */
  holds?: Record<string, string>;
  stdout?: string;
  /** Why an equal call of another workflow runs again. */
  runsAgain?: string;
}

const input = (task: CromwellTask, start: string): string =>
  task.inputs.find(({ path }) => path.slice(path.lastIndexOf('/') + 1).startsWith(start))?.path ??
  '';

const [PARTS, NOTHING] = [
  'glob-2ebb0eb657c4a952649887e4461ee93f',
  'glob-7bb0c33ac658a900e2c3804726fc1d2a',
];
const ODD = 'glob-f72fb223169f0e6434cb17040a07af1c';

const stories: Record<string, Story> = {
  'hello.greet': {
    command: () => 'echo "hello world from $(hostname)" >&2 ; echo "hello world"',
    stdout: 'hello world\n',
    runsAgain: 'its command asks for the name of its host',
  },
  'fail_retry.bad': {
    command: () => 'echo "to stdout before"; echo "to stderr before" >&2; echo tried; exit 3',
    rc: '3\n',
    stdout: 'to stdout before\ntried\n',
    runsAgain: 'it failed',
  },
  'files.globs': {
    command: () =>
      'mkdir -p out/sub\nfor i in 1 2 3; do echo "part $i" > out/part$i.txt; done\n' +
      'echo x > "out/with space.txt"\necho y > out/sub/deeper.txt',
    epilogue: [glob(PARTS, 'out/*.txt'), glob(NOTHING, 'none/*.bam')].join('\n'),
    holds: {
      'out/part2.txt': 'part 2\n',
      [`${PARTS}/with space.txt`]: 'x\n',
      [`${PARTS}.list`]: 'part1.txt\npart2.txt\npart3.txt\nwith space.txt\n',
      [`${NOTHING}/`]: '',
      [`${NOTHING}.list`]: '',
    },
  },
  'files.opt_absent': {
    command: () => 'if false; then echo here > opt.txt; fi',
    runsAgain: 'a task does not say that an output is optional',
  },
  'files.writers': {
    command: (task) =>
      `set -e\ncat ${input(task, 'write_lines')} ${input(task, 'write_tsv')} ${input(task, 'write_map')} > w.txt\n` +
      `cat ${input(task, 'write_json')} >> w.txt; echo >> w.txt\n` +
      `wc -c < "${input(task, 'inp file')}" >> w.txt\necho spaced > "a file with spaces.txt"`,
    holds: {
      'a file with spaces.txt': 'spaced\n',
      'w.txt': expect.stringMatching(/^write_lines\nwrite_tsv\nwrite_map\nwrite_json\n\n *13\n$/),
    },
  },
  'files.spaces': {
    command: (task) =>
      `cat "${input(task, 'a file with')}"; basename "${input(task, 'a file with')}"`,
    stdout: 'a file with spaces.txt\na file with spaces.txt\n',
  },
  'inner.make': {
    command: () => 'echo ann > ann.txt',
    holds: { 'ann.txt': 'ann\n' },
  },
  'memretry.hog': {
    command: () => 'echo big',
    stdout: 'big\n',
  },
  'names.mk': {
    command: () => 'echo odd > "odd [1] {2}~.txt"; echo no > "odd 1 {2}~.txt"',
    epilogue: glob(ODD, '*.txt'),
    holds: {
      'odd [1] {2}~.txt': 'odd\n',
      [`${ODD}/odd [1] {2}~.txt`]: 'odd\n',
      [`${ODD}.list`]: 'odd 1 {2}~.txt\nodd [1] {2}~.txt\n',
    },
  },
  'q.look': { command: () => 'echo looked', stdout: 'looked\n' },
  'scatter50.square': {
    command: () => 'echo $((5 * 5)) > square.txt',
    holds: { 'square.txt': '25\n' },
  },
  'scatter50.gather': {
    command: (task) =>
      `cat ${task.inputs
        .filter(({ path }) => path.endsWith('/square.txt'))
        .map(({ path }) => path)
        .join(' ')} > all.txt\n` +
      `awk '{s+=1} END {print s}' all.txt > total.txt\nwc -l < ${input(task, 'write_lines')} > lines.txt`,
    holds: { 'total.txt': '8\n', 'lines.txt': expect.stringMatching(/^ *1\n$/) },
  },
};

const RUN_ID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** The call in its own workflow, or the same call in the nth other one. */
function callOf(name: string, other = 0): CromwellTask {
  const file = new URL(`../fixtures/cromwell-live/${name}.json`, import.meta.url);
  const text = readFileSync(file, 'utf8').replace(/@sha256:a+/g, `@sha256:${'a'.repeat(64)}`);
  return JSON.parse(
    other === 0 ? text : text.replace(RUN_ID, (id) => `${id.slice(0, -2)}f${other}`),
  ) as CromwellTask;
}

const at = (path: string): string => mapPath(path, map);
const executionOf = (task: CromwellTask): string =>
  (task.executors[0]?.stdout ?? '').replace(/\/stdout$/, '');
const read = async (task: CromwellTask, name: string): Promise<string | undefined> =>
  (await stack.objects.get(at(`${executionOf(task)}/${name}`)))?.toString('utf8');

async function layOut(task: CromwellTask, { command, epilogue }: Story): Promise<void> {
  for (const { name, url } of task.inputs) {
    const file = url.slice(url.lastIndexOf('/') + 1).replace(/_[0-9a-f]{32}\.tmp$/, '');
    const content =
      name === 'commandScript' ? cromwellScript(task, command(task), epilogue) : `${file}\n`;
    await stack.objects.put(at(url), content);
  }
}

/** Lets Cromwell post the call and wait for its end. @returns whether it was a hit */
async function runs(task: CromwellTask, story: Story): Promise<boolean> {
  await layOut(task, story);
  const script = await read(task, 'script');
  const id = await cromwell.post(task);
  expect(await cromwell.ended(id)).toBe('done');
  expect(await read(task, 'rc')).toBe(story.rc ?? '0\n');
  expect(await read(task, 'script')).toBe(script);
  expect(await read(task, 'stdout')).toMatch(story.stdout ?? '');
  const found: Record<string, string | undefined> = {};
  for (const name of Object.keys(story.holds ?? {})) found[name] = await read(task, name);
  expect(found).toEqual(story.holds ?? {});
  return (await cromwell.full(id)).logs[0]?.metadata?.['cache'] === 'hit';
}

test.each(everySecond(Object.keys(stories)))(
  'a live payload runs to the end, and its equal in another workflow is a hit with its own files, or runs for a reason: %s',
  async (name) => {
    const story = stories[name];
    if (!story) throw new Error(name);
    expect(await runs(callOf(name), story)).toBe(false);
    expect(await runs(callOf(name, 1), story)).toBe(story.runsAgain === undefined);
  },
  SLOW_MS,
);
