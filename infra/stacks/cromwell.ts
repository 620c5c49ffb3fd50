/**
 * cromwell, an example: one Cromwell server with cromwell-proxy in the VPC of the service. Its root is a
 * volume, so it needs the proxy. A group of one server replaces it; the volume stays.
 */
import { Fn, Tags, type App, type Stack } from 'aws-cdk-lib';
import { CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { CfnLaunchTemplate, CfnSecurityGroup, CfnVolume } from 'aws-cdk-lib/aws-ec2';
import { CfnInstanceProfile, CfnRole } from 'aws-cdk-lib/aws-iam';
import { readFileSync } from 'node:fs';
import { cromwellPolicy, cromwellTrust, tokenSecret } from '../access/cromwell.ts';
import { cromwellParameters } from '../parameters/cromwell.ts';
import {
  choose,
  condition,
  createStack,
  declare,
  imported,
  isSet,
  keep,
  output,
  type Declared,
} from './template.ts';

type Given = Declared<typeof cromwellParameters>;

const PORT = 8000;
const APPLICATION = { key: 'Application', value: 'batchwell-cromwell' };

export function createCromwell(app: App): Stack {
  const stack = createStack(app, 'cromwell', 'A Cromwell server that runs its calls on Batchwell.');
  const p = declare(stack, cromwellParameters);
  condition(stack, 'HasKey', isSet(p.KmsKeyArn));
  condition(stack, 'HasToken', isSet(p.TokenSecretArn));
  const hasApiUrl = condition(stack, 'HasApiUrl', isSet(p.ApiUrl));
  const hasCallers = condition(stack, 'HasCallers', isSet(p.CallerCidr));
  const group = new CfnSecurityGroup(stack, 'ServerGroup', {
    groupDescription: 'Callers to Cromwell',
    vpcId: p.VpcId.valueAsString,
    securityGroupIngress: choose(hasCallers, [
      {
        ipProtocol: 'tcp',
        fromPort: PORT,
        toPort: PORT,
        cidrIp: p.CallerCidr.valueAsString,
        description: 'CallerCidr',
      },
    ]),
  });
  const role = new CfnRole(stack, 'ServerRole', {
    assumeRolePolicyDocument: cromwellTrust,
    policies: [{ policyName: 'server', policyDocument: cromwellPolicy }],
  });
  new CfnInstanceProfile(stack, 'ServerProfile', { roles: [role.ref] });
  keep(
    new CfnVolume(stack, 'DataVolume', {
      availabilityZone: p.AvailabilityZone.valueAsString,
      size: p.DataGiB.valueAsNumber,
      volumeType: 'gp3',
      encrypted: true,
    }),
  );
  const apiUrl = choose(hasApiUrl, p.ApiUrl.valueAsString, imported('ServiceStack', 'ApiUrl'));
  addServer(stack, p, group, apiUrl);
  output(stack, 'ServerGroupName', 'Auto Scaling group of the server', Fn.ref('Server'));
  output(
    stack,
    'RootUrl',
    'Where the files of workflows are in S3',
    Fn.sub('s3://${Bucket}/${Prefix}'),
  );
  output(stack, 'DataVolumeId', 'The volume stays when the stack is deleted', Fn.ref('DataVolume'));
  Tags.of(stack).add(APPLICATION.key, APPLICATION.value);
  return stack;
}

function addServer(stack: Stack, p: Given, group: CfnSecurityGroup, apiUrl: string): void {
  const tags = [{ key: 'Name', value: Fn.ref('AWS::StackName') }, APPLICATION];
  new CfnLaunchTemplate(stack, 'ServerTemplate', {
    launchTemplateData: {
      imageId: p.ServerImage.valueAsString,
      instanceType: p.InstanceType.valueAsString,
      iamInstanceProfile: { arn: Fn.getAtt('ServerProfile', 'Arn').toString() },
      securityGroupIds: [group.attrGroupId],
      blockDeviceMappings: [
        { deviceName: '/dev/xvda', ebs: { volumeType: 'gp3', volumeSize: 20, encrypted: true } },
      ],
      // The proxy is in the network of the host.
      metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 },
      tagSpecifications: [
        { resourceType: 'instance', tags },
        { resourceType: 'volume', tags },
      ],
      userData: Fn.base64(
        Fn.sub(userDataTemplate(), {
          ApiUrlInUse: apiUrl,
          TokenSecretInUse: tokenSecret as string,
        }),
      ),
    },
  });
  const server = new CfnAutoScalingGroup(stack, 'Server', {
    minSize: '1',
    maxSize: '1',
    vpcZoneIdentifier: [p.SubnetId.valueAsString],
    launchTemplate: {
      launchTemplateId: Fn.ref('ServerTemplate'),
      version: Fn.getAtt('ServerTemplate', 'LatestVersionNumber').toString(),
    },
  });
  // The former server goes first: both would want the volume.
  server.cfnOptions.updatePolicy = {
    autoScalingRollingUpdate: { minInstancesInService: 0, maxBatchSize: 1 },
  };
}

/** What the template fills in, and then infra/cromwell/boot as it is. */
function userDataTemplate(): string {
  const variables = {
    REGION: '${AWS::Region}',
    VOLUME: '${DataVolume}',
    IMAGE: '${ImageUri}',
    JAR_URL: '${JarUrl}',
    JAR_SHA256: '${JarSha256}',
    ROOT_URL: 's3://${Bucket}/${Prefix}',
    API_URL: '${ApiUrlInUse}',
    TOKEN_SECRET: '${TokenSecretInUse}',
  };
  const boot = readFileSync(new URL('../cromwell/boot', import.meta.url), 'utf8');
  const [first = '', ...rest] = boot.split('\n');
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`);
  const awsRegion = `export AWS_DEFAULT_REGION='\${AWS::Region}'`;
  return [first, ...exports, awsRegion, rest.join('\n').replaceAll('${', '${!')].join('\n');
}
