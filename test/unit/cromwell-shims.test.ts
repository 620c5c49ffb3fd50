/** Calls of the config backend: which numbers of input folders make no difference. */
// cspell:ignore listdir
import { expect, test } from 'vitest';
import { EXECUTION_FOLDER } from '../../core/profiles/cromwell-shims.ts';
import { cromwell } from '../../core/profiles/cromwell.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import { cromwellScript, type CromwellTask } from '../cromwell.ts';

const RUNS = ['11111111', '22222222'].map((start) => `${start}-0000-4000-8000-000000000000`);

interface Folders {
  call: string;
  one: string;
  two: string;
}

/** A call with two inputs of one name, as batchwell-submit sends it. */
function call(run: string, numbers: [number, number], command: (folders: Folders) => string) {
  const folder = `/cromwell-executions/wf/${run}/call-c`;
  const [one, two] = numbers.map((number) => `${folder}/inputs/${number}`) as [string, string];
  const task = {
    inputs: [{ name: 'commandScript', path: `${folder}/execution/script` }],
    executors: [{ stdout: `${folder}/execution/stdout` }],
    tags: { workflow_id: run },
  } as unknown as CromwellTask;
  const spec: TaskSpec = {
    inputs: [
      {
        name: 'commandScript',
        type: 'FILE',
        url: 's3://b/script',
        path: `${folder}/execution/script`,
      },
      { type: 'FILE', url: 's3://b/1', path: `${one}/f` },
      { type: 'FILE', url: 's3://b/2', path: `${two}/f` },
    ],
    outputs: [
      { name: EXECUTION_FOLDER, type: 'DIRECTORY', url: 's3://b/', path: `${folder}/execution` },
    ],
    executors: [{ image: 'i', command: ['/bin/bash', `${folder}/execution/script`] }],
    resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
    volumes: [],
  };
  return { spec, script: cromwellScript(task, command({ call: folder, one, two })) };
}

function formOf(run: string, numbers: [number, number], command: (folders: Folders) => string) {
  const { spec, script } = call(run, numbers, command);
  const canonical = cromwell.canonical?.(spec, new Map([[0, script]]));
  return canonical && JSON.stringify([canonical.spec, [...canonical.identities]]);
}

const [HERE = '', THERE = ''] = RUNS;

test('two runs that differ in the numbers of their input folders are one call, in any order of the numbers', () => {
  const paste = ({ one, two }: Folders) => `paste ${one}/f ${two}/f > out`;
  const form = formOf(HERE, [-7, 8], paste);
  expect(form).toBeDefined();
  expect(formOf(THERE, [92, 11], paste)).toBe(form);
  const swapped = ({ one, two }: Folders) => `paste ${two}/f ${one}/f > out`;
  expect(formOf(THERE, [92, 11], swapped)).not.toBe(form);
  expect(formOf(HERE, [5, 5], paste), 'one folder is not two').not.toBe(form);
});

test.each<[string, (folders: Folders) => string]>([
  ['lists the folders', ({ call: folder }) => `cat ${folder}/inputs/*/f > out`],
  ['goes up from its folder', () => 'cat ../inputs/*/f > out'],
  [
    'cuts the folder out of a path',
    ({ one, two }) => `x=${one}/f; y=${two}/f; cat \${x%/*}/f > out`,
  ],
  ['asks for the folder of a file', ({ one, two }) => `cat $(dirname ${one})/*/f ${two}/f > out`],
  ['prints a path', ({ one, two }) => `echo ${one}/f ${two}/f > out`],
  [
    'has its folders listed by Python',
    ({ call: folder }) => `python -c "print(os.listdir('${folder}/inputs'))" > out`,
  ],
])('a call that %s has no form in common with one of other numbers', (_name, command) => {
  const named = (folders: Folders) =>
    `paste ${folders.one}/f ${folders.two}/f > named\n${command(folders)}`;
  const forms = [formOf(HERE, [-7, 8], named), formOf(THERE, [92, 11], named)];
  expect(forms[0] === undefined || forms[0] !== forms[1]).toBe(true);
});
