import { expect, test } from 'vitest';
import { cacheSetting } from '../../core/cache/setting.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';

const INSTALLATION = {
  jobRole: 'arn:aws:iam::1:role/default',
  jobQueue: 'q',
  queueArchitectures: [],
};
const ROLE = 'arn:aws:iam::123456789012:role/reads-patients';

function settingOf(parameters: Record<string, string>): Record<string, string> {
  const parsed = parseTesTask(
    {
      executors: [{ image: 'debian:12', command: ['true'] }],
      resources: { backend_parameters: parameters },
    },
    { cache: 'readwrite', pathMap: new Map(), limits: { jobRoles: [ROLE] } },
  );
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return cacheSetting(parsed.task.spec, INSTALLATION, { replicate: 0 });
}

test('the role that a task runs as is part of its fingerprint, however its parameter is spelled', () => {
  expect(settingOf({}).job_role).toBe(INSTALLATION.jobRole);
  expect(settingOf({ job_role: ROLE }).job_role).toBe(ROLE);
  expect(settingOf({ Job_Role: ROLE }).job_role).toBe(ROLE);
});
