/** The AWS clients of a deployment. Endpoints by AWS_ENDPOINT_URL_…, as everywhere in the SDK. */
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { ECRClient } from '@aws-sdk/client-ecr';
import { ECSClient } from '@aws-sdk/client-ecs';
import { IAMClient } from '@aws-sdk/client-iam';
import { S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { messageOf, nameOf, Refusal } from './errors.ts';

/** CloudFormation throttles describe calls of one account early; the SDK waits in between. */
const MOST_ATTEMPTS = 10;

export interface Where {
  profile: string | undefined;
  region: string | undefined;
}

export function createClients({ profile, region }: Where) {
  const settings = {
    maxAttempts: MOST_ATTEMPTS,
    ...(profile !== undefined && { profile }),
    ...(region !== undefined && { region }),
  };
  return {
    cloudformation: new CloudFormationClient(settings),
    ec2: new EC2Client(settings),
    ecr: new ECRClient(settings),
    ecs: new ECSClient(settings),
    iam: new IAMClient(settings),
    logs: new CloudWatchLogsClient(settings),
    // A local S3 has no bucket in its host name.
    s3: new S3Client({
      ...settings,
      forcePathStyle: process.env['AWS_ENDPOINT_URL_S3'] !== undefined,
    }),
    sts: new STSClient(settings),
  };
}

export type Clients = ReturnType<typeof createClients>;

export interface Account {
  id: string;
  region: string;
  partition: string;
}

/** Says who calls and where, before anything is created. @throws Refusal without credentials or Region */
export async function readAccount(clients: Clients, where: Where): Promise<Account> {
  const region = await clients.cloudformation.config.region().catch(() => undefined);
  if (!region)
    throw new Refusal(
      'No Region. Give --region, set AWS_REGION, or put a region into the profile.',
    );
  try {
    const { Account: id = '', Arn: arn = '' } = await clients.sts.send(
      new GetCallerIdentityCommand({}),
    );
    return { id, region, partition: arn.split(':')[1] ?? 'aws' };
  } catch (error) {
    throw new Refusal(explainCredentials(error, where));
  }
}

function explainCredentials(error: unknown, { profile }: Where): string {
  const of = profile === undefined ? '' : ` of the profile ${profile}`;
  const said = `${nameOf(error)}: ${messageOf(error)}`;
  if (/Expired|token.*(expired|invalid)|SSO/i.test(said))
    return `The credentials${of} have expired. Log in again (aws sso login), then run the same command. AWS said: ${said}`;
  return `AWS did not accept the credentials${of}. Give --profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID. AWS said: ${said}`;
}
