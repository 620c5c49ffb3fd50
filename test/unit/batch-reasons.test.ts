import { describe, expect, test } from 'vitest';
import type { EndedJob } from '../../core/retry/batch-reasons.ts';
import { decideRetry, type RetryReason, type SeenAttempt } from '../../core/retry/decide-retry.ts';
import { containerReasons, ends, statusReasons } from '../fixtures/aws-reasons.ts';
import type { FailureKind } from '../../core/retry/failures.ts';
import type { ResultRecord } from '../../core/result/result.ts';

const fresh = { hostLosses: 0, hostFaults: 0, memoryGrowths: 0, transientFailures: 0 };
const spent = { hostLosses: 9, hostFaults: 9, memoryGrowths: 9, transientFailures: 9 };
const ROLE = 'arn:aws:iam::1:role/job';
const SECRET = 'arn:aws:secretsmanager:us-east-1:1:secret:x';
const policy = {
  hostLossTries: 9,
  hostFaultTries: 9,
  memoryGrowthTries: 9,
  transientTries: 9,
  installationArns: { job_role: [ROLE], secrets: [SECRET] },
};

interface Verdict {
  budget: RetryReason | 'none';
  kind: FailureKind;
  sentence: string;
}

/** How the task is retried while it may be, and how it ends when it may not. */
function verdictOf(job: EndedJob): Verdict {
  const first = decideRetry({ job }, fresh, policy);
  const last = decideRetry({ job }, spent, policy);
  if (last.do !== 'fail') throw new Error(`It ends as ${last.do}.`);
  return { budget: first.do === 'again' ? first.because : 'none', ...last.failure };
}

describe('AWS’s own words', () => {
  test.each(containerReasons)('“%s” of a container is retried for %s and is %s', (...row) => {
    const [reason, budget, kind, advice] = row;
    const job: EndedJob = { status: 'FAILED', statusReason: 'Task failed to start', reason };
    for (const ended of [job, { ...job, exitCode: 127 }]) {
      const verdict = verdictOf(ended);
      expect(verdict).toMatchObject({ budget, kind });
      expect(verdict.sentence).toContain(reason.replace(/\.$/, ''));
      expect(verdict.sentence).toMatch(advice);
    }
  });

  test.each(containerReasons)(
    '“%s” means the same where Batch shows it as the job’s reason',
    (statusReason, budget, kind) => {
      expect(verdictOf({ status: 'FAILED', statusReason })).toMatchObject({ budget, kind });
    },
  );

  test.each(statusReasons)('“%s” of a job is retried for %s and is %s', (...row) => {
    const [statusReason, budget, kind, advice] = row;
    const verdict = verdictOf({ status: 'FAILED', statusReason });
    expect(verdict).toMatchObject({ budget, kind });
    expect(verdict.sentence).toMatch(advice);
  });

  test.each(ends)(
    'a job that ended as %j without a record is retried for %s and is %s',
    (job, budget, kind) => {
      expect(verdictOf(job)).toMatchObject({ budget, kind });
    },
  );
});

describe('a role or a secret that cannot be used', () => {
  const CANNOT_ASSUME = (role: string): string =>
    `ECS was unable to assume the role '${role}' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.`;
  const MISSING = 'ResourceInitializationError: unable to pull secrets or registry auth: ';
  const verdictFor = (reason: string, arns: { job_role: string[]; secrets: string[] }) => {
    const decision = decideRetry({ job: { status: 'FAILED', reason } }, fresh, {
      ...policy,
      installationArns: arns,
    });
    return decision.do === 'fail' ? decision.failure : undefined;
  };

  test.each([
    ['another role than the fleet’s', CANNOT_ASSUME('arn:aws:iam::1:role/jobs'), [ROLE], []],
    ['a role where the fleet has none', CANNOT_ASSUME('arn:aws:iam::1:role/own'), [], []],
    [
      'another secret',
      `${MISSING}failed to fetch secret ${SECRET}y-AbCdEf from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret.`,
      [],
      [SECRET],
    ],
    ['a secret where the fleet has none', `${MISSING}invalid ssm parameters: /lab/key`, [ROLE], []],
  ])('is the task’s fault if it named %s', (_, reason, roles, secrets) => {
    expect(verdictFor(reason, { job_role: roles, secrets })).toMatchObject({
      kind: 'request-refused',
      sentence: expect.stringMatching(/job_role|secrets or registry_credentials/),
    });
  });

  test.each([
    ['the fleet’s role', CANNOT_ASSUME(ROLE), [ROLE], []],
    [
      'a secret of all tasks, named with a field',
      `${MISSING}failed to fetch secret ${SECRET}:password:: from secrets manager: ResourceNotFoundException`,
      [],
      [SECRET],
    ],
    [
      'a secret that the execution role may not read',
      `${MISSING}failed to fetch secret ${SECRET}y from secrets manager: AccessDeniedException: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: secretsmanager:GetSecretValue`,
      [],
      [],
    ],
    ['a secret of nobody’s name', `${MISSING}invalid ssm parameters: /lab/key`, [], [SECRET]],
  ])('is the operator’s to correct if it is %s', (_, reason, roles, secrets) => {
    expect(verdictFor(reason, { job_role: roles, secrets })?.kind).toBe('misconfigured');
  });
});

describe('a fault of the host', () => {
  const job: EndedJob = {
    status: 'FAILED',
    statusReason: 'Task failed to start',
    reason: 'DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s',
  };

  test('a fault of the host tells the caller that it is retried and that the task is fine', () => {
    expect(decideRetry({ job }, fresh, policy)).toEqual({
      do: 'again',
      because: 'host-fault',
      reason:
        'A host failed to run the task: Task failed to start; DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s. Batchwell retries it; nothing is wrong with the task.',
    });
  });

  test('faults of hosts that outlast their budget say how many there were and whom to ask', () => {
    const sentenceAfter = (hostFaults: number) => {
      const state = { ...fresh, hostFaults };
      const decided = decideRetry({ job }, state, { ...policy, hostFaultTries: hostFaults });
      return decided.do === 'fail' ? decided.failure.sentence : decided.do;
    };
    expect(sentenceAfter(0)).toMatch(/^A host failed to run the task: .*Ask the operator/);
    expect(sentenceAfter(8)).toMatch(/^Hosts failed to run the task 9 times: .*Ask the operator/);
  });

  test('faults of hosts spend no other budget than their own', () => {
    expect(decideRetry({ job }, { ...spent, hostFaults: 8 }, policy).do).toBe('again');
  });

  const record: ResultRecord = {
    startedMs: 1,
    endedMs: 3,
    executors: [{ exitCode: 143, startedMs: 1, endedMs: 2 }],
    outputs: [],
    missingOutputs: [],
  };

  test.each<[string, SeenAttempt]>([
    ['the agent’s words', { result: record, job }],
    ['an exit code of a kill', { result: record, job: { status: 'FAILED', exitCode: 143 } }],
    [
      'a time limit of its queue',
      { result: record, job: { status: 'FAILED', statusReason: 'CAPACITY:X - y' } },
    ],
  ])('the record of an attempt counts more than %s', (_, seen) => {
    expect(decideRetry(seen, fresh, policy)).toEqual({ do: 'finalize', result: record });
  });
});

describe('a container that ended without a record', () => {
  const sentenceOf = (job: EndedJob): string => {
    const decided = decideRetry({ job }, fresh, policy);
    return decided.do === 'fail' ? decided.failure.sentence : decided.do;
  };

  test.each([0, 1, 2, 64, 127])(
    'with exit code %i names the ENTRYPOINT of the image, which Batch cannot override',
    (exitCode) => {
      const status = exitCode === 0 ? 'SUCCEEDED' : 'FAILED';
      const statusReason = 'Essential container in task exited';
      expect(sentenceOf({ status, statusReason, exitCode })).toMatch(
        /^The container left no result record: Essential container in task exited; exit code \d+\. If the image has an ENTRYPOINT, .* cannot override it: use an image without one/,
      );
    },
  );

  test.each([120, 121, 139])(
    'with exit code %i, which no ENTRYPOINT explains, names the log only',
    (exitCode) => {
      expect(sentenceOf({ status: 'FAILED', exitCode })).toBe(
        `The container left no result record: exit code ${exitCode}. Read the container's log in AWS Batch.`,
      );
    },
  );
});
