/** AWS as aws:deploy sees it, on loopback: CloudFormation, EC2, IAM, STS, ECR, ECS, logs; S3 is the local one. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startLocalS3 } from '../../../packages/local-aws/s3/server.ts';
import { Refused } from './played-changes.ts';
import { createStacks } from './played-stacks.ts';
import { listOf, xml, type Xml } from './xml.ts';

type Json = Record<string, unknown>;

export interface Subnet {
  id: string;
  zone: string;
  /** Targets of its routes: an internet gateway, a NAT gateway, an endpoint of S3, or none. */
  routes: ('igw' | 'nat' | 's3')[];
}

export interface PlayedContainer {
  name: string;
  exitCode?: number;
}

export async function playAws() {
  const folder = mkdtempSync(join(tmpdir(), 'batchwell-played-aws-'));
  const s3 = await startLocalS3({
    dataFolder: join(folder, 's3'),
    createBuckets: ['release-bucket'],
    region: 'eu-west-1',
  });
  const stacks = createStacks();
  const played = {
    stacks,
    s3,
    folder,
    url: '',
    /** Actions in the order in which they came. */
    seen: [] as string[],
    /** Errors that come before anything else: the action, and the code of its error. */
    faults: [] as { action: string; code: string; message?: string }[],
    vpcs: {} as Record<string, { cidr: string; subnets: Subnet[] }>,
    /** Those that no host uses, with the stack of their tag. */
    volumes: new Map<string, string>(),
    images: new Map<string, string>(),
    linkedRoles: new Set<string>(),
    /** What the container engine pushed: one line each. */
    pushes: join(folder, 'pushes'),
    task: {
      request: undefined as Json | undefined,
      looks: 0,
      isStopped: false,
      /** How its containers end; without it, it never ends. */
      ends: [{ name: 'migrate', exitCode: 0 }, { name: 'api' }, { name: 'hello', exitCode: 0 }] as
        | PlayedContainer[]
        | undefined,
    },
    /** By group and the start of the stream. */
    logs: [] as { group: string; stream: string; message: string }[],
    stop: async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
      await s3.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const server = createServer((request, response) => {
    void answer(played, request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  played.url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : '';
  return played;
}

export type PlayedAws = Awaited<ReturnType<typeof playAws>>;

async function answer(
  aws: PlayedAws,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await text(request);
  const target = request.headers['x-amz-target'];
  const form = new URLSearchParams(body);
  const action = String(target).split('.').at(-1) ?? '';
  const name = target === undefined ? (form.get('Action') ?? '') : action;
  aws.seen.push(name);
  const send = (status: number, type: string, content: string) =>
    response.writeHead(status, { 'content-type': type }).end(content);
  try {
    const fault = aws.faults.findIndex((one) => one.action === name);
    const [hit] = fault < 0 ? [] : aws.faults.splice(fault, 1);
    if (hit) throw new Refused(hit.code, hit.message ?? 'Rate exceeded');
    if (target === undefined) send(200, 'text/xml', queryAnswer(aws, name, form));
    else
      send(
        200,
        'application/x-amz-json-1.1',
        JSON.stringify(jsonAnswer(aws, name, JSON.parse(body) as Json)),
      );
  } catch (error) {
    const refused =
      error instanceof Refused ? error : new Refused('InternalFailure', String(error));
    const type = target === undefined ? 'text/xml' : 'application/x-amz-json-1.1';
    send(
      refused.code === 'InternalFailure' ? 500 : 400,
      type,
      errorBody(refused, name, target !== undefined),
    );
  }
}

/** Each of the three protocols has its own form of an error. */
function errorBody({ code, message }: Refused, action: string, isJson: boolean): string {
  if (isJson) return JSON.stringify({ __type: code, message });
  const error = { Code: code, Message: message };
  if (isEc2(action))
    return `<Response><Errors><Error>${xml(error)}</Error></Errors><RequestID>1</RequestID></Response>`;
  return `<ErrorResponse>${xml({ Error: { Type: 'Sender', ...error }, RequestId: '1' })}</ErrorResponse>`;
}

const isEc2 = (action: string): boolean =>
  /^(Describe(Vpcs|Subnets|RouteTables|Volumes)|DeleteVolume)$/.test(action);

function queryAnswer(aws: PlayedAws, action: string, form: URLSearchParams): string {
  if (isEc2(action))
    return `<${action}Response>${xml(ec2Answer(aws, action, form), 'item')}</${action}Response>`;
  const run = aws.stacks.operations[action];
  const result = run ? run(form) : otherAnswer(aws, action, form);
  return `<${action}Response><${action}Result>${xml(result)}</${action}Result></${action}Response>`;
}

function otherAnswer(aws: PlayedAws, action: string, form: URLSearchParams): Xml {
  if (action === 'GetCallerIdentity')
    return { Account: '111122223333', Arn: 'arn:aws:iam::111122223333:user/lab', UserId: 'lab' };
  if (action !== 'CreateServiceLinkedRole') throw new Refused('InvalidAction', `No ${action}.`);
  const service = form.get('AWSServiceName') ?? '';
  if (aws.linkedRoles.has(service))
    throw new Refused(
      'InvalidInput',
      `Service role name for ${service} has been taken in this account`,
    );
  aws.linkedRoles.add(service);
  return { Role: { RoleName: service } };
}

function volumeAnswer({ volumes }: PlayedAws, action: string, form: URLSearchParams): Xml {
  if (action === 'DeleteVolume') {
    volumes.delete(form.get('VolumeId') ?? '');
    return { return: 'true' };
  }
  return {
    volumeSet: [...volumes].map(([volumeId, stack]) => ({
      volumeId,
      size: '100',
      status: 'available',
      availabilityZone: 'eu-west-1a',
      createTime: new Date().toISOString(),
      tagSet: [{ key: 'batchwell:disk', value: stack }],
    })),
  };
}

function ec2Answer(aws: PlayedAws, action: string, form: URLSearchParams): Xml {
  if (action.includes('Volume')) return volumeAnswer(aws, action, form);
  const { vpcs } = aws;
  const [filter] = listOf(form, 'Filter');
  const wanted = form.get('Filter.1.Value.1');
  const subnetIds = listOf(form, 'SubnetId').flatMap((one) => Object.values(one));
  const chosen = Object.entries(vpcs).filter(([id]) => filter === undefined || id === wanted);
  if (action === 'DescribeVpcs')
    return { vpcSet: chosen.map(([vpcId, { cidr }]) => ({ vpcId, cidrBlock: cidr })) };
  const all = chosen.flatMap(([vpcId, { subnets }]) => subnets.map((one) => ({ vpcId, ...one })));
  if (action === 'DescribeSubnets') {
    const missing = subnetIds.find((id) => !all.some((one) => one.id === id));
    if (missing)
      throw new Refused('InvalidSubnetID.NotFound', `The subnet ID '${missing}' does not exist`);
    return {
      subnetSet: all
        .filter(({ id }) => subnetIds.length === 0 || subnetIds.includes(id))
        .map(({ vpcId, id, zone }) => ({ subnetId: id, vpcId, availabilityZone: zone })),
    };
  }
  return {
    routeTableSet: all.map(({ id, routes }) => ({
      associationSet: [{ subnetId: id, main: false }],
      routeSet: routes.map((to) =>
        to === 's3'
          ? { destinationPrefixListId: 'pl-1', gatewayId: 'vpce-1', state: 'active' }
          : {
              destinationCidrBlock: '0.0.0.0/0',
              state: 'active',
              ...(to === 'igw' ? { gatewayId: 'igw-1' } : { natGatewayId: 'nat-1' }),
            },
      ),
    })),
  };
}

function jsonAnswer(aws: PlayedAws, action: string, input: Json): Json {
  switch (action) {
    case 'DescribeImages':
      return describeImages(aws, input);
    case 'GetAuthorizationToken':
      return {
        authorizationData: [
          { authorizationToken: Buffer.from('AWS:ecr-password').toString('base64') },
        ],
      };
    case 'RunTask':
      aws.task.request = input;
      return { tasks: [{ taskArn: 'arn:aws:ecs:eu-west-1:111122223333:task/c/t1' }], failures: [] };
    case 'StopTask':
      aws.task.isStopped = true;
      return {};
    case 'DescribeTasks':
      return { tasks: [taskOf(aws)] };
    case 'FilterLogEvents':
      return {
        events: aws.logs
          .filter(
            ({ group, stream }) =>
              group === input['logGroupName'] &&
              stream.startsWith(String(input['logStreamNamePrefix'] ?? '')),
          )
          .map(({ message }) => ({ message })),
      };
    default:
      throw new Refused('UnknownOperationException', `No ${action}.`);
  }
}

function describeImages({ images, pushes }: PlayedAws, input: Json): Json {
  const [{ imageTag: tag = '' } = {}] = (input['imageIds'] ?? []) as { imageTag?: string }[];
  if (existsSync(pushes) && readFileSync(pushes, 'utf8').includes(`:${tag}\n`))
    images.set(tag, `sha256:${'ee'.repeat(32)}`);
  const digest = images.get(tag);
  if (digest === undefined)
    throw new Refused('ImageNotFoundException', `The image with imageId ${tag} does not exist`);
  return { imageDetails: [{ imageDigest: digest, imageTags: [tag] }] };
}

/** One container after the other starts, and at last all have ended. */
function taskOf({ task }: PlayedAws): Json {
  task.looks += 1;
  const names = ['migrate', 'api', 'hello'];
  const arn = 'arn:aws:ecs:eu-west-1:111122223333:task/c/t1';
  if (task.looks > names.length && task.ends !== undefined)
    return {
      taskArn: arn,
      lastStatus: 'STOPPED',
      stoppedReason: 'Essential container in task exited',
      containers: task.ends.map((one) => ({ ...one, lastStatus: 'STOPPED' })),
    };
  return {
    taskArn: arn,
    lastStatus: 'RUNNING',
    containers: names.map((name, at) => ({
      name,
      lastStatus: at < task.looks ? 'RUNNING' : 'PENDING',
    })),
  };
}
