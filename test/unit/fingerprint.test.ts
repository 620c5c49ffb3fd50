import { describe, expect, test } from 'vitest';
import {
  explainDifference,
  fingerprintComponents,
  fingerprintOf,
} from '../../core/cache/fingerprint.ts';
import type { TaskSpec } from '../../core/task/task.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const base: TaskSpec = {
  inputs: [
    { url: 's3://in/reads', path: '/in/reads', type: 'FILE' },
    { url: 's3://in/ref/', path: '/in/ref', type: 'DIRECTORY' },
  ],
  outputs: [{ url: 's3://out/result', path: '/out/result', type: 'FILE' }],
  executors: [
    {
      image: `tools@${digest}`,
      command: ['align', '-t', '4'],
      workdir: '/w',
      stdout: '/out/log',
      env: { LANG: 'C', MODE: 'fast' },
    },
  ],
  resources: { cpu_cores: 1, ram_gb: 2, disk_gb: 10, preemptible: false },
  volumes: ['/scratch', '/cache'],
};
const identities = ['etag abc 5', 'directory def'];
const fingerprint = (spec: TaskSpec, held: readonly string[] = identities): string =>
  fingerprintOf(fingerprintComponents(spec, { identities: held })).toString('hex');

const [executor] = base.executors;
const [reads, ref] = base.inputs;
const [output] = base.outputs;
if (!executor || !reads || !ref || !output) throw new Error('The base task is incomplete.');
const withExecutor = (change: object): TaskSpec => ({
  ...base,
  executors: [{ ...executor, ...change }],
});
const withOutput = (change: object): TaskSpec => ({ ...base, outputs: [{ ...output, ...change }] });

describe('changes that keep the fingerprint', () => {
  test.each<[string, TaskSpec]>([
    [
      'the url an input is read from',
      { ...base, inputs: [{ ...reads, url: 's3://elsewhere/copy' }, ref] },
    ],
    [
      'the name and description of an input',
      { ...base, inputs: [{ ...reads, name: 'n', description: 'd' }, ref] },
    ],
    ['the url an output goes to', withOutput({ url: 's3://other/place' })],
    ['the name and description of an output', withOutput({ name: 'n', description: 'd' })],
    [
      'cpu, memory, disk, queue and timeout',
      {
        ...base,
        resources: {
          cpu_cores: 8,
          ram_gb: 64,
          disk_gb: 500,
          preemptible: true,
          queue: 'spot',
          timeout_seconds: 600,
        },
      },
    ],
    ['the order of environment variables', withExecutor({ env: { MODE: 'fast', LANG: 'C' } })],
    ['the order of volumes', { ...base, volumes: ['/cache', '/scratch'] }],
    [
      'the registry and tag of an image that has its digest',
      withExecutor({ image: `mirror.example/tools:v2@${digest}` }),
    ],
    ['an explicit ignore_error of false', withExecutor({ ignore_error: false })],
  ])('the fingerprint stays the same if this changes: %s', (_, other) => {
    expect(fingerprint(other)).toBe(fingerprint(base));
  });

  test('the order of inputs does not change the fingerprint', () => {
    expect(fingerprint({ ...base, inputs: [ref, reads] }, identities.toReversed())).toBe(
      fingerprint(base),
    );
  });
});

test('images with equal text after the @ are one image only if that text is a digest', () => {
  expect(fingerprint(withExecutor({ image: 'a@latest' }))).not.toBe(
    fingerprint(withExecutor({ image: 'b@latest' })),
  );
});

test('names of one image give one fingerprint, as long as no registry was asked', () => {
  const [first, ...others] = [
    'ubuntu',
    'docker.io/library/ubuntu:latest',
    'index.docker.io/ubuntu',
  ].map((image) => fingerprint(withExecutor({ image })));
  expect(others).toEqual([first, first]);
});

test('what a registry said counts, whatever the image is called', () => {
  const of = (name: string, image: string): string =>
    fingerprintOf(
      fingerprintComponents(withExecutor({ image: name }), { identities, image }),
    ).toString('hex');
  expect(of('tools:1', digest)).toBe(fingerprint(base));
  expect(of('tools:1', digest)).not.toBe(of('tools:1', `sha256:${'b'.repeat(64)}`));
});

describe('changes that make another fingerprint', () => {
  test.each<[string, TaskSpec]>([
    ['the image', withExecutor({ image: 'tools:2' })],
    [
      'whether a missing output is a failure',
      {
        ...base,
        resources: { ...base.resources, backend_parameters: { missing_outputs: 'fail' } },
      },
    ],
    ['one argument', withExecutor({ command: ['align', '-t', '8'] })],
    ['where one argument ends', withExecutor({ command: ['align', '-t4'] })],
    ['the value of a variable', withExecutor({ env: { LANG: 'C', MODE: 'slow' } })],
    ['a further variable', withExecutor({ env: { LANG: 'C', MODE: 'fast', MORE: '' } })],
    ['the working directory', withExecutor({ workdir: '/v' })],
    ['where stdout goes', withExecutor({ stdout: '/out/other' })],
    ['where stderr goes', withExecutor({ stderr: '/out/err' })],
    ['where stdin comes from', withExecutor({ stdin: '/in/reads' })],
    ['whether a failure is ignored', withExecutor({ ignore_error: true })],
    ['a further executor', { ...base, executors: [executor, executor] }],
    [
      'the path of an input in the container',
      { ...base, inputs: [{ ...reads, path: '/in/other' }, ref] },
    ],
    ['the path of an output', withOutput({ path: '/out/other' })],
    ['the prefix of an output', withOutput({ path_prefix: '/out' })],
    ['the type of an output', withOutput({ type: 'DIRECTORY' })],
    ['a further output', { ...base, outputs: [output, { ...output, path: '/out/2' }] }],
    ['the volumes', { ...base, volumes: ['/scratch'] }],
  ])('the fingerprint changes with this: %s', (_, other) => {
    expect(fingerprint(other)).not.toBe(fingerprint(base));
  });

  test('the content of an input changes the fingerprint, and so does which input has it', () => {
    expect(fingerprint(base, ['etag abd 5', 'directory def'])).not.toBe(fingerprint(base));
    const files = { ...base, inputs: [reads, { ...ref, type: 'FILE' as const }] };
    expect(fingerprint(files, ['etag 1 1', 'etag 2 2'])).not.toBe(
      fingerprint(files, ['etag 2 2', 'etag 1 1']),
    );
  });
});

test('a difference is explained by the parts that differ, with both values', () => {
  const [a, b] = [
    fingerprintComponents(base, { identities }),
    fingerprintComponents(withExecutor({ image: 'tools:2' }), {
      identities: ['etag new 6', 'directory def'],
    }),
  ];
  expect(explainDifference(a, b)).toEqual([
    { part: 'executors[0].image', here: digest, there: 'docker.io/library/tools:2' },
    { part: 'inputs[/in/reads]', here: 'FILE etag abc 5', there: 'FILE etag new 6' },
  ]);
  expect(explainDifference(a, a)).toEqual([]);
  expect(explainDifference(a, { version: '3' }).every(({ there }) => there === undefined)).toBe(
    true,
  );
});
