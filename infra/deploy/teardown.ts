/** aws:teardown: deletes the stacks in the order in which nothing is in use, and says what stays. */
import { ListStackResourcesCommand } from '@aws-sdk/client-cloudformation';
import { stackNames, type Deployment } from './deployment.ts';
import { ec2ClientOver } from '../../packages/disk/ec2/sdk.ts';
import { sweep } from '../../packages/disk/sweep.ts';
import { messageOf, Refusal } from './errors.ts';
import { deleteStack, explainFailure, follow, readStack, type StackState } from './follow.ts';
import { isInProgress } from './status.ts';

export interface Kept {
  id: string;
  type: string;
  name: string;
}

/** What its template marks as Retain. It holds data, or data that stay need it. */
const KEPT_TYPES: Readonly<Record<string, (name: string) => string>> = {
  'AWS::S3::Bucket': (name) => `aws s3 rb --force s3://${name}`,
  'AWS::ECR::Repository': (name) => `aws ecr delete-repository --force --repository-name ${name}`,
  'AWS::RDS::DBInstance': (name) => `aws rds delete-db-instance --db-instance-identifier ${name}`,
  'AWS::RDS::DBCluster': (name) =>
    `aws rds modify-db-cluster --db-cluster-identifier ${name} --no-deletion-protection && aws rds delete-db-cluster --db-cluster-identifier ${name} --final-db-snapshot-identifier ${name}-last`,
  'AWS::RDS::DBSubnetGroup': (name) =>
    `aws rds delete-db-subnet-group --db-subnet-group-name ${name}`,
  'AWS::RDS::DBClusterParameterGroup': (name) =>
    `aws rds delete-db-cluster-parameter-group --db-cluster-parameter-group-name ${name}`,
};

/** The order in which AWS lets them go: a cluster after its instances, its parts after the cluster. */
const LAST = ['AWS::RDS::DBSubnetGroup', 'AWS::RDS::DBClusterParameterGroup'];
const DATABASE_GROUP = 'DatabaseGroup';

export async function tearDown(deployment: Deployment, yes: boolean): Promise<void> {
  const { say } = deployment;
  const names = stackNames(deployment.name);
  const found: StackState[] = [];
  for (const stack of [names.pipeline, names.watch, names.service, names.core, names.network]) {
    const seen = await readStack(deployment, stack);
    if (seen !== undefined) found.push(seen);
  }
  if (found.length === 0) {
    say(`There is no stack of ${deployment.name} in this account and Region.`);
    return;
  }
  const kept = (await Promise.all(found.map((one) => listKept(deployment, one)))).flat();
  // Its subnets hold the database that stays.
  const keepsNetwork = kept.some(({ type }) => type === 'AWS::RDS::DBCluster');
  const goes = found.filter(({ name }) => !(keepsNetwork && name === names.network));
  say(`Deletes: ${goes.map(({ name }) => name).join(', ')}. Jobs that run are ended.`);
  sayKept(
    deployment,
    kept,
    keepsNetwork ? found.find((one) => one.name === names.network) : undefined,
  );
  if (!yes) throw new Refusal('Nothing was deleted. Run it again with --yes to delete.');
  for (const one of goes) await removeStack(deployment, one);
  if (goes.some(({ name }) => name === names.core)) await sweepVolumes(deployment, names.core);
  say('Done. What stays is listed above.');
}

// The clock of EC2 may be ahead of this one.
const TWO_HOURS_MS = 7_200_000;

/** Volumes that the hosts' disks left behind. No host is left, so young ones belong to nobody, too. */
async function sweepVolumes({ clients, say }: Deployment, stack: string): Promise<void> {
  const client = ec2ClientOver(clients.ec2);
  await sweep(client, { stack, isDryRun: false, nowMs: Date.now() + TWO_HOURS_MS, say }).catch(
    (error: unknown) =>
      say(
        `Volumes of hosts were not looked for: ${messageOf(error)} ` +
          `\`npm run batchwell-disk -- sweep --stack ${stack} --region REGION --delete\` does it later.`,
      ),
  );
}

async function listKept({ clients }: Deployment, { id }: StackState): Promise<Kept[]> {
  const kept: Kept[] = [];
  let next: string | undefined;
  do {
    const page = await clients.cloudformation.send(
      new ListStackResourcesCommand({ StackName: id, NextToken: next }),
    );
    for (const one of page.StackResourceSummaries ?? []) {
      const { ResourceType: type = '', LogicalResourceId: logical = '' } = one;
      const isThere = one.ResourceStatus !== 'DELETE_COMPLETE' && one.PhysicalResourceId;
      if (isThere && (type in KEPT_TYPES || logical === DATABASE_GROUP))
        kept.push({ id: logical, type, name: one.PhysicalResourceId ?? '' });
    }
    next = page.NextToken;
  } while (next !== undefined);
  return kept;
}

function sayKept(
  { say }: Deployment,
  kept: readonly Kept[],
  network: StackState | undefined,
): void {
  if (kept.length === 0) {
    say('Nothing stays.');
    return;
  }
  say('Stays, and costs as long as it does:');
  for (const { id, type, name } of kept) say(`  ${name} (${type}, ${id})`);
  if (network) say(`  ${network.name} (the network: the database is in it)`);
  say('To delete these too, once nothing in them is needed:');
  const inOrder = kept.toSorted((a, b) => rank(a) - rank(b));
  for (const { type, name } of inOrder) {
    const command = KEPT_TYPES[type]?.(name) ?? `aws ec2 delete-security-group --group-id ${name}`;
    say(`  ${command}`);
  }
  if (network) say(`  aws cloudformation delete-stack --stack-name ${network.name}`);
}

function rank({ type }: Kept): number {
  if (type === 'AWS::RDS::DBInstance') return 0;
  if (type === 'AWS::RDS::DBCluster') return 1;
  if (LAST.includes(type)) return 2;
  return type === 'AWS::EC2::SecurityGroup' ? 3 : 4;
}

/** A deletion that failed is tried once more: much of what blocks one passes. */
const MOST_ATTEMPTS = 2;

async function removeStack(deployment: Deployment, stack: StackState): Promise<void> {
  if (isInProgress(stack.status)) {
    deployment.say(`${stack.name} is ${stack.status}: waiting until that has ended.`);
    if ((await follow(deployment, stack.id)).status === 'DELETE_COMPLETE') return;
  }
  for (let attempt = 1; ; attempt += 1) {
    deployment.say(`Deleting ${stack.name}…`);
    const { status, progress } = await deleteStack(deployment, stack);
    if (status === 'DELETE_COMPLETE') return;
    if (attempt === MOST_ATTEMPTS)
      throw new Refusal(explainFailure(stack.name, status, undefined, progress));
  }
}
