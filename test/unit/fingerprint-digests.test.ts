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
    'ffdd38103499d993e23c9acf967fc3cca82cdcc5354bfc1fec712a3b6f20f296',
  );
});

test('the fingerprint of a Nextflow task is the one that databases hold', async () => {
  const task = parse(NEXTFLOW);
  expect(task.profile).toBe('nextflow');
  expect(await fingerprintOfTask(task, { [`${WORK}/.command.run`]: WRAPPER })).toBe(
    '77111177ce6bbc0593265f4371efb9c11fc1edce6e2071369fc794554d1ef779',
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
      '13f152e147747780571a1334fe472f26a8a4d8f0177db3f607dddbc155c5f79e',
    'granular-s3-shard3-attempt2-labels':
      '67abf0e64f807133c2b26f780e2f82b74c8f870b02997416658f7d4b4a922570',
    'output-mode-root-nulls': '599d759e11f6dd123337f2ce92be84a4a8202f4088a8f77da80b2b6e8a18a28e',
    's3-root': '7d410f15e292ae77232a4f2d48af31c5d6dc90091c3a9c174c12ed92b056a237',
  });
});
