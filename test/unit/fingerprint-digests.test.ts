/**
 * Fingerprints as they are in the databases of users. A digest that changes makes every cache entry
 * of its kind a miss, so it may only change together with the VERSION of core/cache/fingerprint.ts
 * or the version of the profile.
 */
import { expect, test } from 'vitest';
import { cromwellTask, fixtures, type CromwellTask } from '../cromwell.ts';
import { cromwellCall, fingerprintOfTask, parse } from './profile-world.ts';

const PLAIN = {
  name: 'align',
  inputs: [
    { url: 's3://lab/in/reads.fq', path: '/in/reads.fq' },
    { content: 'a list\n', path: '/in/list' },
    { url: 's3://lab/ref/', path: '/in/ref', type: 'DIRECTORY' },
  ],
  outputs: [
    { url: 's3://lab/out/sample.bam', path: '/out/sample.bam' },
    { url: 's3://lab/out/', path: '/out/*.txt', path_prefix: '/out' },
  ],
  executors: [
    {
      image: 'quay.io/biocontainers/bwa:0.7.17',
      command: ['bwa', 'mem', '/in/ref', '/in/reads.fq'],
      workdir: '/out',
      stdout: '/out/sample.bam',
      env: { LANG: 'C', MODE: 'fast' },
    },
  ],
  volumes: ['/scratch'],
};

const WORK = 's3://bucket/work/ab/0123456789abcdef0123456789abcd';
const NEXTFLOW = {
  name: 'align (1)',
  inputs: ['.command.run', '.command.sh', 'reads.fq'].map((name) => ({
    url: `${WORK}/${name}`,
    path: `/work/${name}`,
  })),
  outputs: ['.command.out', '.exitcode', 'out.bam'].map((name) => ({
    url: `${WORK}/${name}`,
    path: `/work/${name}`,
  })),
  executors: [{ image: 'quay.io/x:1', command: ['/bin/bash', '.command.run'], workdir: '/work' }],
};
const WRAPPER = `#!/bin/bash\n### ---\n### name: 'align (1)'\n### ---\n# NEXTFLOW TASK: align (1)\nset -e\nexport A=1\nNXF_TASK_WORKDIR="${WORK}"\nbash .command.sh\n`;

test('the fingerprint of a plain task is the one that databases hold', async () => {
  const task = parse(PLAIN);
  expect(task.profile).toBe('generic');
  expect(await fingerprintOfTask(task)).toBe(
    'abeeb15c20b83ecd0c20425674d076e2354124164d7e3d7bdfb10d29e985f32a',
  );
});

test('the fingerprint of a Nextflow task is the one that databases hold', async () => {
  const task = parse(NEXTFLOW);
  expect(task.profile).toBe('nextflow');
  expect(await fingerprintOfTask(task, { [`${WORK}/.command.run`]: WRAPPER })).toBe(
    'cdde45332b4c022785a2af5b07a3294219b13627c1384753ed11f436fba4daef',
  );
});

test('the fingerprint of each Cromwell fixture is the one that databases hold', async () => {
  const digests = await Promise.all(
    fixtures.map(async (name): Promise<[string, string]> => {
      const task: CromwellTask = cromwellTask(name);
      return [name, await cromwellCall(task)];
    }),
  );
  expect(Object.fromEntries(digests)).toEqual({
    'granular-glob-root-workflow':
      '1802119cdd312a7edbab46c472bafc4829a27829111101670c4c51ca875742c4',
    'granular-s3-shard3-attempt2-labels':
      'be9e1b89c4d0ca3e5fc52a0c746459dce74a31ce118fb516c488155d58c19903',
    'output-mode-root-nulls': '95b8eca23a6ce7fc11049f9388080a7ccda77b310b1f56b9df3761bd72669edf',
    's3-root': '4e07e462789960325ed14d9cb79c83a2e521e8f27bed06834e90b2f96fe1836c',
  });
});
