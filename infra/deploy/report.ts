/** Where everything is, at the end of aws:deploy. */
import type { Account } from './clients.ts';
import type { Deployment } from './deployment.ts';
import type { StackState } from './follow.ts';

export function report(
  { say, name }: Deployment,
  { region, id }: Account,
  core: StackState,
  service: StackState | undefined,
): void {
  const line = (what: string, where: string | undefined) =>
    say(`  ${what.padEnd(16)} ${where ?? ''}`);
  say('');
  say(`Batchwell is in account ${id}, ${region}:`);
  line('work bucket', core.outputs['Bucket']);
  line('host releases', core.outputs['Releases']);
  line('job queues', `${core.outputs['JobQueue']} ${core.outputs['SteadyJobQueue']}`);
  line('logs', [core.outputs['LogGroup'], core.outputs['HostLogs']].join(' '));
  if (service) {
    line('', service.outputs['ServiceLogs']);
    line('API', service.outputs['ApiUrl']);
    line('callers', service.parameters['CallerCidr']);
    line('first token', service.outputs['TokenSecretArn']);
    say('');
    say('From a machine in the callers’ addresses:');
    say(`  export BATCHWELL_URL=${service.outputs['ApiUrl']}`);
    say(
      `  export BATCHWELL_TOKEN=$(aws secretsmanager get-secret-value --region ${region} --secret-id ${service.outputs['TokenSecretArn']} --query SecretString --output text)`,
    );
    say('  npm run batchwell -- submit task.json --wait');
  } else {
    say('');
    say('Run the fleet on your machine:');
    say(
      `  export AWS_REGION=${region} BATCHWELL_BUCKET=${core.outputs['Bucket']} BATCHWELL_JOB_QUEUE=${core.outputs['JobQueue']} BATCHWELL_JOB_ROLE=${core.outputs['JobRole']} BATCHWELL_LOG_GROUP=${core.outputs['LogGroup']}`,
    );
    say('  npm run batchwell -- up --aws');
  }
  say('');
  say(`What it costs is in infra/README.md. To remove it: npm run aws:teardown -- --name ${name}`);
}
