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
    '6ad20d3f0e8c7f37c6bd6eb4af77f15cbf7daadbea4ab0818bc773ec29e96237',
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
      '6f37f872379fc3233351c91e507fce0703e24d0cdf2b858e6ad3ac5976ca7d9b',
    'granular-s3-shard3-attempt2-labels':
      '6bc5216d8f8fe913f826f342f2c1a8d484bef36a6a28c6c0dcae3876884bf77d',
    'output-mode-root-nulls': 'e4d6b646f909257bd6623dcecb594efa42f0b276a4b53fe63c279bee79151250',
    's3-root': 'e013105177ee79e325a61d045911af29d6fd0dfd51c1a0a9f8aa55e13b618ff6',
  });
});
