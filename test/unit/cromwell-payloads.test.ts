/** What a live Cromwell (develop of early 2026) posted, and what its users meet when a path is wrong. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readPathMap } from '../../core/files/path-map.ts';
import { problemSentence } from '../../core/problems.ts';
import { parseTesTask, type TaskDefaults } from '../../core/task/parse-task.ts';
import type { CromwellTask } from '../cromwell.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../fixtures/${path}`, import.meta.url), 'utf8');
const live = (name: string): CromwellTask =>
  JSON.parse(read(`cromwell-live/${name}`)) as CromwellTask;
const posted = (name: string): CromwellTask =>
  (JSON.parse(read(`field/${name}.json`)) as { body: CromwellTask }).body;

const pathMap = readPathMap([
  '/mnt/shared/executions=s3://lab/runs',
  '/mnt/shared/inputs=s3://lab/inputs',
]);
const MAPPED: TaskDefaults = { cache: 'off', pathMap };

function problemsOf(task: object, defaults: TaskDefaults): string[] {
  const parsed = parseTesTask(task, defaults);
  return 'problems' in parsed ? parsed.problems.map(problemSentence) : [];
}

test.each(readdirSync(new URL('../fixtures/cromwell-live', import.meta.url)))(
  'a live payload is a call of Cromwell, and every file in it is read as it is named: %s',
  (name) => {
    const parsed = parseTesTask(live(name), MAPPED);
    if ('problems' in parsed) throw new Error(parsed.problems.map(problemSentence).join());
    const { profile, spec } = parsed.task;
    expect(profile).toBe('cromwell');
    expect(parsed.warnings).toEqual([]);
    expect(spec.executors[0]).not.toHaveProperty('stdout');
    expect(spec.outputs.map(({ path }) => path)).toEqual(
      live(name).outputs.map(({ path }) => path),
    );
    for (const { path, url } of spec.outputs) {
      expect(url).toBe(path.replace('/mnt/shared/executions', 's3://lab/runs'));
    }
  },
);

/** A call with one output of this name, as Cromwell posts it. */
function callWith(name: string, more: object = {}): CromwellTask {
  const task = posted('cromwell-wildcard-output');
  const own = (path: string) => path.replace('odd [1] {2}~.txt', name);
  return {
    ...task,
    ...more,
    outputs: task.outputs.map((one) => ({ ...one, path: own(one.path), url: own(one.url) })),
  };
}

describe('a file name with characters of a pattern', () => {
  test.each([
    'odd [1] {2}~.txt',
    '*',
    'what?.txt',
    '[ab]/[!c]/x',
    String.raw`back\slash [1].txt`,
    String.raw`\[1\].txt`,
    'half [ of a set',
  ])('Cromwell declares an output by the name %s, which is that file and no pattern', (name) => {
    const parsed = parseTesTask(callWith(name), MAPPED);
    if ('problems' in parsed) throw new Error(parsed.problems.map(problemSentence).join());
    const [output] = parsed.task.spec.outputs.slice(4);
    const execution = 'names/9b782ccf-0a0c-474f-a9f5-4b74be37c5d0/call-mk/execution';
    expect(output).toMatchObject({
      type: 'FILE',
      path: `/mnt/shared/executions/${execution}/${name}`,
      url: `s3://lab/runs/${execution}/${name}`,
    });
    expect(output).not.toHaveProperty('path_prefix');
  });

  test.each([
    ['has no workflow_id', { tags: {} }],
    ['has another description', { description: 'names.mk' }],
    ['has no script of Cromwell', { inputs: [] }],
    ['names another profile', { tags: { workflow_id: 'x', 'batchwell.profile': 'generic' } }],
  ])('a task that %s still needs a path_prefix for a pattern', (_, more) => {
    expect(problemsOf(callWith('*.txt', more), MAPPED)).toEqual([
      expect.stringContaining('outputs[4].path_prefix: '),
    ]);
  });

  test('a path_prefix makes a path a pattern, whoever sends it', () => {
    const task = callWith('*.txt');
    const outputs = task.outputs.map((one) => ({ ...one, path_prefix: '/mnt/shared' }));
    const parsed = parseTesTask({ ...task, outputs }, MAPPED);
    expect(parsed).toMatchObject({
      task: {
        spec: {
          outputs: expect.arrayContaining([
            expect.objectContaining({ path_prefix: '/mnt/shared' }),
          ]),
        },
      },
    });
  });
});

describe('a URL in the place of a path', () => {
  test.each(['s3://lab/inputs/plain2.txt', 'gs://lab/x', 'S3://lab/x', 'drs://lab.org/1'])(
    'the refusal of %s tells the settings of Cromwell that are missing',
    (url) => {
      const task = posted('cromwell-s3-input');
      const inputs = task.inputs.map((one) =>
        one.name === 'commandScript' ? one : { ...one, path: url },
      );
      expect(problemsOf({ ...task, inputs }, MAPPED)).toEqual([
        'inputs[0].path: expected an absolute path in the container, without ".."; this is a URL. Cromwell sends a ' +
          'URL as a path where it has no file system for the URL. For s3:// URLs, set aws.auths, ' +
          'engine.filesystems.s3.auth, and filesystems.s3.auth of the provider in its configuration ' +
          `(docs/cromwell.md), got "${url}"`,
      ]);
    },
  );

  test('a client that is not Cromwell is told of no settings of Cromwell', () => {
    const task = {
      executors: [{ image: 'debian', command: ['true'], workdir: 's3://lab' }],
      inputs: [{ url: 's3://lab/x', path: 's3://lab/x' }],
      outputs: [{ url: 's3://lab/x', path: 'https://lab/x' }],
    };
    const expected = 'expected an absolute path in the container, without ".."; this is a URL, got';
    expect(problemsOf(task, MAPPED)).toEqual([
      `inputs[0].path: ${expected} "s3://lab/x"`,
      `outputs[0].path: ${expected} "https://lab/x"`,
      `executors[0].workdir: ${expected} "s3://lab"`,
    ]);
  });
});

describe('a path that no setting covers', () => {
  const refusal = (defaults: Partial<TaskDefaults>): string[] =>
    problemsOf(posted('cromwell-unmapped'), { cache: 'off', ...defaults });

  test('the refusal names every root that the settings do cover', () => {
    expect(refusal({ pathMap })).toEqual([
      'inputs[0].url: expected a URL that tasks can reach, or a path without ".." below /mnt/shared/executions ' +
        '(BATCHWELL_PATH_MAP) or /mnt/shared/inputs (BATCHWELL_PATH_MAP), got "/mnt/elsewhere.txt"',
    ]);
    expect(refusal({ pathMap, fileRoots: ['/efs'] })[0]).toContain(
      'or /mnt/shared/inputs (BATCHWELL_PATH_MAP) or /efs (BATCHWELL_SHARED_FOLDERS), got',
    );
    expect(refusal({ fileRoots: ['/mnt/shared'] })).toEqual([
      'inputs[0].url: expected a URL that tasks can reach, or a path without ".." below /mnt/shared ' +
        '(BATCHWELL_SHARED_FOLDERS), got "/mnt/elsewhere.txt"',
    ]);
  });

  test('without any such setting, the refusal says that paths are not enabled', () => {
    const said = refusal({});
    expect(said).toHaveLength(6);
    for (const one of said) expect(one).toContain('paths and file:// URLs are not enabled');
  });
});
