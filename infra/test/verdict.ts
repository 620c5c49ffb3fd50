/** What IAM decides of a request, with these statements as the only policy. */
import { runSimulation } from '@cloud-copilot/iam-simulate';
import type { IamRequest } from './iam-requests.ts';

export async function verdict(
  { action, resource, context }: IamRequest,
  statements: readonly unknown[],
) {
  const answer = await runSimulation(
    {
      request: {
        principal: 'arn:aws:sts::111122223333:assumed-role/role/session',
        action,
        resource: { resource, accountId: '111122223333' },
        contextVariables: { ...context },
      },
      identityPolicies: [
        { name: 'role', policy: { Version: '2012-10-17', Statement: statements } },
      ],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  return answer.resultType === 'error' ? JSON.stringify(answer.errors) : answer.overallResult;
}
