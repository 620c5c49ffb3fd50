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
    'a4a2b44bcbd27bbea81ad6a05dc909d0f20a4ae9a1c240a730866324be2ea142',
  );
});

test('the fingerprint of a Nextflow task is the one that databases hold', async () => {
  const task = parse(NEXTFLOW);
  expect(task.profile).toBe('nextflow');
  expect(await fingerprintOfTask(task, { [`${WORK}/.command.run`]: WRAPPER })).toBe(
    '13a37a915a527c91e1fdf7637f555b963ceb6e2d210c4af5b59b4c860c8a0d6b',
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
      'fcc49ea39481f2ad4210be9e13eb720450918b5076321b9db039e49e6a4d8734',
    'granular-s3-shard3-attempt2-labels':
      'fff095a8ac986bbe3b2206fd961cc5abd614720b5bfb530a3bcf87ce130b51db',
    'output-mode-root-nulls': '6b0eff5972fc046c348a27391703561606ddbb8cc5549209587ca5aa1b4b050f',
    's3-root': '0d48df96e9e4ce4f2bfe18d1e31b4c70458fd0c98ffd59ec618b46b66607828a',
  });
});
