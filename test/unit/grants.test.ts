/** Secrets, logins to registries and settings that an operator grants: to whom, and for what. */
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../config.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { readResources, refusedResources } from './offers-world.ts';

const secret = (name: string): string =>
  `arn:aws:secretsmanager:us-east-1:123456789012:secret:${name}`;
const ROLE = 'arn:aws:iam::123456789012:role/execution';
const settings = {
  BATCHWELL_EXECUTION_ROLE: ROLE,
  BATCHWELL_ALLOWED_SECRETS: `${secret('lab/{owner}/*')},${secret('shared-AbCdEf')}`,
};
const field = (name: string): string => `resources.backend_parameters.${name}`;

type Parameters = Record<string, string>;
const read = (backend_parameters: Parameters, owner = 'ann', own = settings) =>
  readResources({ backend_parameters }, { settings: own, owner }).resources;
const refused = (backend_parameters: Parameters, owner = 'ann') =>
  refusedResources({ backend_parameters }, { settings, owner });

describe('what an operator grants', () => {
  test('a task reads the secrets of its owner, and no other’s', () => {
    const own = `TOKEN=${secret('lab/ann/token-AbCdEf')}`;
    expect(read({ secrets: own }).container?.secrets).toHaveLength(1);
    expect(read({ secrets: `TOKEN=${secret('shared-AbCdEf')}:key::` }).container).toBeDefined();
    expect(Object.keys(refused({ secrets: own }, 'bob'))).toEqual([field('secrets')]);
    // Names that a pattern would take for another owner’s, or for any.
    for (const owner of ['', '*', 'a*', '..', 'ann/../bob', 'lab/ann', 'a.n', 'an'])
      expect(Object.keys(refused({ secrets: own }, owner)), owner).toEqual([field('secrets')]);
    expect(Object.keys(refused({ secrets: `A=${secret('sharedXAbCdEf')}` }))).toHaveLength(1);
    expect(Object.keys(refused({ secrets: `A=${secret('not/lab/ann/x')}` }))).toHaveLength(1);
  });

  test('a login is used for the registry that its setting names, and another registry is not told it', () => {
    const own = {
      BATCHWELL_EXECUTION_ROLE: ROLE,
      BATCHWELL_ALLOWED_REGISTRY_CREDENTIALS: `ghcr.io/lab=${secret('logins/{owner}/*')}`,
    };
    const keysOf = (image: string, arn: string): string[] => {
      const task = {
        executors: [{ image, command: ['true'] }],
        resources: { backend_parameters: { registry_credentials: arn } },
      };
      const parsed = parseTesTask(task, {
        cache: 'off',
        offers: { ...readConfig(own), owner: 'ann' },
      });
      return 'problems' in parsed ? parsed.problems.map(({ field: named }) => named) : [];
    };
    const login = secret('logins/ann/x-AbCdEf');
    expect(keysOf('ghcr.io/lab/tool:1', login)).toEqual([]);
    for (const image of [
      'alpine',
      'ghcr.io/labour/tool',
      'ghcr.io/other/lab/tool',
      'ghcr.io.evil.example/lab/tool',
      'evil.example/ghcr.io/lab/tool',
      'ghcr.io:5000/lab/tool',
    ])
      expect(keysOf(image, login), image).toEqual([field('registry_credentials')]);
    expect(keysOf('ghcr.io/lab/tool:1', secret('logins/bob/x-AbCdEf'))).toHaveLength(1);
  });

  test('a name before the owner’s is one part, so that no owner has a folder among another’s secrets', () => {
    const own = { ...settings, BATCHWELL_ALLOWED_SECRETS: secret('lab-*/{owner}/*') };
    expect(read({ secrets: `A=${secret('lab-1/ann/x')}` }, 'ann', own).container).toBeDefined();
    expect(
      refusedResources(
        { backend_parameters: { secrets: `A=${secret('lab-1/bob/ann/x')}` } },
        { settings: own, owner: 'ann' },
      ),
    ).toHaveProperty([field('secrets')]);
  });
});

test.each([
  ['BATCHWELL_CONTAINER_USER', 'a b'],
  ['BATCHWELL_EXECUTION_ROLE', 'role'],
  ['BATCHWELL_ULIMITS', 'x=1'],
  ['BATCHWELL_TMPFS', 'fast=1'],
  ['BATCHWELL_TASK_SECRETS', 'A=b'],
  ['BATCHWELL_ALLOWED_SECRETS', '*'],
  ['BATCHWELL_ALLOWED_SECRETS', secret('{owner}-*')],
  ['BATCHWELL_ALLOWED_SECRETS', secret('lab/x{owner}/y')],
  ['BATCHWELL_ALLOWED_SECRETS', secret('lab/*{owner}')],
  ['BATCHWELL_ALLOWED_REGISTRY_CREDENTIALS', secret('registry/*')],
  ['BATCHWELL_ALLOWED_REGISTRY_CREDENTIALS', `ghcr.io=${secret('{owner}-*')}`],
  ['BATCHWELL_REGISTRY_CREDENTIALS', 'ghcr.io'],
  ['BATCHWELL_VOLUMES', 'ref=efs:fs-0123abcd:/opt/batchwell'],
  ['BATCHWELL_VOLUMES', 'ref=efs:fs-0123abcd/../x:/ref'],
  ['BATCHWELL_VOLUMES', 'ref=efs:fs-0123abcd@fsap-0a1b2c3d/x:/ref'],
  ['BATCHWELL_VOLUMES', 'ref=host:relative:/ref'],
  ['BATCHWELL_VOLUMES', 'ref=host:/a:/ref,ref=host:/b:/other'],
  ['BATCHWELL_VOLUMES', 'ref=host:/a:/ref:iam'],
  ['BATCHWELL_LOG_BUFFER', '25'],
  ['BATCHWELL_JOB_TAGS', 'aws:x=1'],
])('%s=%s is refused at the start', (variable, value) => {
  expect(() => readConfig({ [variable]: value })).toThrow(`${variable}=`);
});

test.each([
  [{ BATCHWELL_ALLOWED_SECRETS: secret('a') }, 'BATCHWELL_EXECUTION_ROLE: required'],
  [{ BATCHWELL_TASK_VOLUMES: 'ref' }, 'BATCHWELL_TASK_VOLUMES: expected names'],
  [
    { BATCHWELL_VOLUMES: 'a=host:/a:/data', BATCHWELL_SHARED_FOLDERS: '/data' },
    'BATCHWELL_VOLUMES: the volume a is at /data',
  ],
  [
    { BATCHWELL_VOLUMES: 'a=host:/a:/x,b=host:/b:/x', BATCHWELL_TASK_VOLUMES: 'a,b' },
    'two of its volumes are at /x',
  ],
])('settings that contradict each other are refused at the start: %j', (own, words) => {
  expect(() => readConfig(own)).toThrow(words);
});
