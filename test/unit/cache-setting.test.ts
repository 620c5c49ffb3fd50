import { expect, test } from 'vitest';
import { cacheSetting } from '../../core/cache/setting.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';

const INSTALLATION = {
  jobRole: 'arn:aws:iam::1:role/default',
  jobQueue: 'q',
  queueArchitectures: [],
  sharedFolders: [] as string[],
};
const ROLE = 'arn:aws:iam::123456789012:role/reads-patients';

function settingOf(
  parameters: Record<string, string>,
  installation = INSTALLATION,
): Record<string, string> {
  const parsed = parseTesTask(
    {
      executors: [{ image: 'debian:12', command: ['true'] }],
      resources: { backend_parameters: parameters },
    },
    { cache: 'readwrite', pathMap: new Map(), limits: { jobRoles: [ROLE] } },
  );
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return cacheSetting(parsed.task.spec, installation, { replicate: 0, owner: 'me' });
}

test('the role that a task runs as is part of its fingerprint, however its parameter is spelled', () => {
  expect(settingOf({}).job_role).toBe(INSTALLATION.jobRole);
  expect(settingOf({ job_role: ROLE }).job_role).toBe(ROLE);
  expect(settingOf({ Job_Role: ROLE }).job_role).toBe(ROLE);
});

test('folders of the hosts that tasks see are part of the fingerprint, in any order', () => {
  expect(settingOf({})).not.toHaveProperty('shared_folders');
  const shared = (sharedFolders: string[]) => settingOf({}, { ...INSTALLATION, sharedFolders });
  expect(shared(['/mnt/b', '/mnt/a'])).toEqual(shared(['/mnt/a', '/mnt/b']));
  expect(shared(['/mnt/a'])).not.toEqual(shared(['/mnt/a', '/mnt/b']));
});
