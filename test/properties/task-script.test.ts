/**
 * Every text of a task passes through the real shells unchanged. A stand-in for the stager runs the
 * script.
 */
import * as fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderScript, renderValues } from '../../core/container/script.ts';
import type { ExecutorOf, TaskSpec } from '../../core/task/task.ts';
import { splitTask } from '../../core/task/template.ts';
import type { Template } from '../../core/task/template.ts';
import { runText, shells } from '../task-shells.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'task-script-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const nasty = [
  '',
  ' ',
  '  two  spaces ',
  "it's",
  "''",
  '"',
  '\\',
  '\\\\n',
  '\\c',
  '%s%n',
  'a\nb',
  '\n',
  'end\n',
  '\t',
  '\r',
  '$HOME',
  '${v0}',
  '$(id)',
  '`id`',
  '"$v0"',
  '$',
  '!',
  '!!',
  '#',
  '~',
  '~root',
  '-',
  '--',
  '-n',
  '-x',
  '*',
  '?',
  '[a-z]',
  '{a,b}',
  ';',
  '&',
  '|',
  '>',
  '<',
  '(',
  ')',
  '=',
  'A=b',
  "'; exit 9; '",
  'ünïcödé',
  'āŁあ\u0081\u0088',
  '\u{1F9EC}',
  '\u0001\u001b[0m',
  '\u007f',
  '\ufeff',
];
const anyText = fc
  .oneof(
    fc.constantFrom(...nasty),
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.array(fc.constantFrom(...nasty), { maxLength: 4 }).map((parts) => parts.join('')),
  )
  .map((text) => text.replaceAll('\0', ''));
/** A file name: not empty, without '/', and within the limits of a file system. */
const anyName = anyText
  .map((text) => `${text.replaceAll('/', '')}x`)
  .filter((name) => Buffer.byteLength(name) < 200);
// Includes the names that the script itself uses.
const anyVariable = fc.oneof(
  fc.constantFrom(
    'A',
    ...Array.from({ length: 32 }, (_, slot) => `v${slot}`),
    'rc',
    'logs',
    'answer',
    'left',
    'found',
    'folder',
    'IFS',
    'HOME',
    'CDPATH',
    'PS4',
    'PATH',
    'ask',
    '_x',
  ),
  fc.stringMatching(/^BW[A-Za-z0-9_]{0,8}$/),
);

const nothing: TaskSpec = {
  inputs: [],
  outputs: [],
  volumes: [],
  executors: [],
  resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
};

const DUMP =
  '/bin/cat "/proc/$$/cmdline" >"$1/argv"; /bin/cat "/proc/$$/environ" >"$1/environ"; /bin/pwd -P >"$1/cwd"; /bin/cat >"$1/stdin"; echo out; echo err >&2';

const anyTask = fc.record({
  words: fc.array(anyText, { maxLength: 4 }),
  env: fc.dictionary(anyVariable, anyText, { maxKeys: 5 }),
  workdir: anyName,
  stdin: anyName,
  stdout: anyName,
  stderr: anyName,
  url: anyText,
  path: anyText,
  name: anyText,
  content: anyText,
  prefix: anyText,
  volume: anyText,
});
type AnyTask = typeof anyTask extends fc.Arbitrary<infer T> ? T : never;

function taskOf(one: AnyTask, folder: string): TaskSpec {
  return {
    inputs: [
      { name: one.name, url: one.url, path: one.path, type: 'FILE' },
      { name: one.name, url: one.url, path: one.path, type: 'DIRECTORY' },
      { content: one.content, path: one.path, type: 'FILE' },
    ],
    outputs: [
      { url: one.url, path: one.path, path_prefix: one.prefix, type: 'FILE' },
      { url: one.url, path: one.path, type: 'DIRECTORY' },
    ],
    executors: [
      {
        image: one.name,
        command: ['/bin/sh', '-c', DUMP, 'dump', folder, ...one.words],
        env: one.env,
        workdir: `${folder}/${one.workdir}w`,
        stdin: `${folder}/${one.stdin}i`,
        stdout: `${folder}/${one.stdout}o`,
        stderr: `${folder}/${one.stderr}e`,
      },
    ],
    resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
    volumes: [one.volume],
  };
}

async function expectExact(
  shell: readonly string[],
  one: AnyTask,
  split: (spec: TaskSpec) => { template: Template; values: string[] },
): Promise<void> {
  const folder = await mkdtemp(join(root, 'run-'));
  const spec = taskOf(one, folder);
  const [executor] = spec.executors;
  await writeFile(executor?.stdin ?? '', 'given');
  const { template, values } = split(spec);

  const { code, requests } = await runText(
    shell,
    folder,
    renderValues(template, values) + renderScript(template),
  );

  const content =
    one.content === '' ? ['content', '', one.path] : ['content', one.content, one.path];
  expect(requests).toEqual([
    ['folder', one.volume],
    ['place', one.path, 'FILE', one.prefix],
    ['place', one.path, 'DIRECTORY'],
    ['input', 'FILE', one.url, one.path, one.name],
    ['input', 'DIRECTORY', one.url, one.path, one.name],
    content,
    ['fetch'],
    ['executor', '0', executor?.workdir, executor?.stdin, executor?.stdout, executor?.stderr],
    ['ended', '0', '0'],
    ['logs'],
    ['output', 'FILE', one.url, one.path, one.prefix],
    ['output', 'DIRECTORY', one.url, one.path],
    ['upload'],
    ['result', '0'],
  ]);
  expect(code).toBe(0);
  if (executor) await expectDumped(folder, executor);
  await rm(folder, { recursive: true });
}

/** The command saw exactly what the task defines. */
async function expectDumped(folder: string, executor: ExecutorOf<string>): Promise<void> {
  const dumped = (name: string) => readFile(join(folder, name), 'utf8');
  expect((await dumped('argv')).split('\0').slice(0, -1)).toEqual(executor.command);
  const environ = new Set((await dumped('environ')).split('\0'));
  for (const [name, value] of Object.entries(executor.env ?? {}))
    expect(environ).toContain(`${name}=${value}`);
  expect(await dumped('cwd')).toBe(`${executor.workdir}\n`);
  expect(await dumped('stdin')).toBe('given');
  expect(await readFile(executor.stdout ?? '', 'utf8')).toBe('out\n');
  expect(await readFile(executor.stderr ?? '', 'utf8')).toBe('err\n');
}

describe.each(shells.map((shell) => ({ name: shell.join(' '), shell })))('$name', ({ shell }) => {
  test('the script passes on every text exactly, as a value', async () => {
    await expect(
      fc.assert(
        fc.asyncProperty(anyTask, (one) => expectExact(shell, one, splitTask)),
        { numRuns: 40 },
      ),
    ).resolves.toBeUndefined();
  });

  test('the script passes on every text exactly, as a constant of the template', async () => {
    await expect(
      fc.assert(
        fc.asyncProperty(anyTask, (one) =>
          expectExact(shell, one, (spec) => ({ template: spec, values: [] })),
        ),
        { numRuns: 40 },
      ),
    ).resolves.toBeUndefined();
  });

  test('the script runs the program on the task’s own PATH, never a builtin or an applet', async () => {
    const folder = await mkdtemp(join(root, 'path-'));
    for (const name of ['echo', 'ls', 'ask', '-x', 'cd'])
      await writeFile(join(folder, name), '#!/bin/sh\nprintf "mine:%s" "$1"\n', { mode: 0o755 });
    for (const name of ['echo', 'ls', 'ask', '-x', 'cd']) {
      const template = {
        ...nothing,
        executors: [
          {
            image: 'i',
            command: [name, 'arg'],
            env: { PATH: `/nowhere::${folder}` },
            stdout: join(folder, `${name}.out`),
          },
        ],
      };
      expect((await runText(shell, folder, renderScript(template))).code).toBe(0);
      expect(await readFile(join(folder, `${name}.out`), 'utf8')).toBe('mine:arg');
    }
  });

  test('the task’s command has access to neither of the stager’s channels', async () => {
    const folder = await mkdtemp(join(root, 'channels-'));
    const probe =
      'for n in 3 4; do (eval ": >&$n") 2>/dev/null && echo "$n is open"; done; echo looked';
    await runText(
      shell,
      folder,
      renderScript({ ...nothing, executors: [{ image: 'i', command: ['/bin/sh', '-c', probe] }] }),
    );
    expect(await readFile(join(folder, '0.stdout'), 'utf8')).toBe('looked\n');
  });
});

const sample = (): TaskSpec => ({
  ...taskOf(
    {
      words: ['-k', "it's"],
      env: { A: '1', PATH: '/bin' },
      workdir: 'w',
      stdin: 'i',
      stdout: 'o',
      stderr: 'e',
      url: 's3://b/k',
      path: '/p',
      name: 'n',
      content: 'c',
      prefix: '/',
      volume: '/v',
    },
    '/task',
  ),
});

test.skipIf(!existsSync('/usr/bin/shellcheck'))(
  'shellcheck finds nothing in a script with its values',
  async () => {
    const folder = await mkdtemp(join(root, 'check-'));
    const spec = sample();
    const bare = {
      ...spec,
      inputs: [],
      outputs: [],
      volumes: [],
      executors: spec.executors.flatMap((one) => [
        one,
        { image: 'x', command: ['true'], ignore_error: true },
      ]),
    };
    for (const [name, task] of Object.entries({ whole: spec, bare })) {
      const { template, values } = splitTask(task);
      const file = join(folder, `${name}.sh`);
      await writeFile(file, renderValues(template, values) + renderScript(template));
      // SC2016 only guesses that data in single quotes should be expanded. SC2030 and SC2031 report
      // that an executor's PATH ends with it, which is intended.
      expect(
        spawnSync('/usr/bin/shellcheck', ['-s', 'sh', '-e', 'SC2016,SC2030,SC2031', file], {
          encoding: 'utf8',
        }).stdout,
      ).toBe('');
    }
    expect(await readdir(folder)).toHaveLength(2);
  },
);

test('a text with NUL, an invalid variable name, and an input without source are refused by name', () => {
  const spec = sample();
  expect(() => renderScript({ ...spec, volumes: ['a\0b'] })).toThrow(/NUL/);
  expect(() => renderValues({ ...spec, volumes: [{ slot: 0 }] }, ['a\0b'])).toThrow(/NUL/);
  expect(() => renderValues({ ...spec, volumes: [{ slot: 4 }] }, ['a'])).toThrow(
    /slot 4 has no value/,
  );
  expect(() =>
    renderScript({ ...spec, executors: [{ image: 'i', command: ['x'], env: { 'a b': '1' } }] }),
  ).toThrow(/"a b" is not a valid name/);
  expect(() => renderScript({ ...spec, inputs: [{ path: '/p', type: 'FILE' }] })).toThrow(
    /neither url nor content/,
  );
});

test('only the slots that the script uses are among the values', () => {
  const { template, values } = splitTask({
    ...sample(),
    inputs: [
      { name: 'n', description: 'for people only', url: 's3://b/k', path: '/p', type: 'FILE' },
    ],
  });
  expect(values).toContain('for people only');
  expect(renderValues(template, values)).not.toContain('for people only');
});
