/** The played EC2, and the metadata of one instance, behind HTTP: EC2's query protocol and IMDSv2. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Ec2Client, NewVolume } from '../../ec2/requests.ts';
import type { SeenVolume } from '../../rules/facts.ts';
import { PlayedError } from './played-ec2.ts';

export interface ServedInstance {
  instanceId: string;
  zone: string;
  region: string;
  /** Null: the metadata do not show tags. */
  tags: Readonly<Record<string, string>> | null;
}

export interface Ec2Server {
  url: string;
  /** Actions in the order of their requests, with what they asked. */
  asked: URLSearchParams[];
  /** The metadata answer nothing. */
  isMetadataDead: boolean;
  close(): Promise<void>;
}

const escaped = (value: string): string =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export async function serveEc2(
  client: Ec2Client,
  instance: ServedInstance,
  port = 0,
): Promise<Ec2Server> {
  const served: Omit<Ec2Server, 'url' | 'close'> = { asked: [], isMetadataDead: false };
  const server = createServer((request, response) => {
    const answer = request.url?.startsWith('/latest/')
      ? answerMetadata(served, instance, request, response)
      : answerEc2(served.asked, client, request, response);
    void answer;
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: listening } = server.address() as AddressInfo;
  return Object.assign(served, {
    url: `http://127.0.0.1:${listening}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}

async function answerEc2(
  asked: URLSearchParams[],
  client: Ec2Client,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const form = new URLSearchParams(await text(request));
  asked.push(form);
  const action = form.get('Action') ?? '';
  try {
    const body = await perform(client, action, form);
    response.writeHead(200, { 'content-type': 'text/xml;charset=UTF-8' });
    response.end(
      `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>${body}</${action}Response>`,
    );
  } catch (error) {
    if (!(error instanceof PlayedError)) throw error;
    // No answer: the connection ends without one.
    if (error.status === 0) return void request.socket.destroy();
    response.writeHead(error.status, { 'content-type': 'text/xml;charset=UTF-8' });
    response.end(
      `<Response><Errors><Error><Code>${error.name}</Code><Message>${escaped(error.message)}</Message></Error></Errors><RequestID>1</RequestID></Response>`,
    );
  }
}

async function perform(client: Ec2Client, action: string, form: URLSearchParams): Promise<string> {
  const of = (name: string): string => form.get(name) ?? '';
  switch (action) {
    case 'CreateVolume': {
      const id = await client.createVolume(newVolume(form));
      return `<volumeId>${id}</volumeId><size>${of('Size')}</size><status>creating</status>`;
    }
    case 'AttachVolume':
      await client.attachVolume(of('VolumeId'), of('InstanceId'), of('Device'));
      return '<status>attaching</status>';
    case 'ModifyInstanceAttribute':
      await client.protect(of('InstanceId'), of('BlockDeviceMapping.1.DeviceName'));
      return '<return>true</return>';
    case 'DetachVolume':
      await client.detachVolume(of('VolumeId'));
      return '<status>detaching</status>';
    case 'DeleteVolume':
      await client.deleteVolume(of('VolumeId'));
      return '<return>true</return>';
    case 'DescribeVolumes':
      return `<volumeSet>${(await client.describeVolumes(queryOf(form))).map(itemOf).join('')}</volumeSet>`;
    default:
      throw new PlayedError('InvalidAction', 400, action);
  }
}

function newVolume(form: URLSearchParams): NewVolume {
  const tags: NewVolume['tags'][number][] = [];
  for (let at = 1; form.has(`TagSpecification.1.Tag.${at}.Key`); at += 1)
    tags.push({
      Key: form.get(`TagSpecification.1.Tag.${at}.Key`) ?? '',
      Value: form.get(`TagSpecification.1.Tag.${at}.Value`) ?? '',
    });
  return {
    token: form.get('ClientToken') ?? '',
    sizeGiB: Number(form.get('Size')),
    zone: form.get('AvailabilityZone') ?? '',
    iops: Number(form.get('Iops')),
    throughput: Number(form.get('Throughput')),
    kmsKeyArn: form.get('KmsKeyId') ?? '',
    tags,
  };
}

function queryOf(form: URLSearchParams) {
  const id = form.get('VolumeId.1');
  if (id !== null) return { ids: [id] };
  const filters = new Map<string, string>();
  for (let at = 1; form.has(`Filter.${at}.Name`); at += 1)
    filters.set(form.get(`Filter.${at}.Name`) ?? '', form.get(`Filter.${at}.Value.1`) ?? '');
  const state = filters.get('status');
  const zone = filters.get('availability-zone');
  return {
    tags: Object.fromEntries(
      [...filters].flatMap(([name, value]) =>
        name.startsWith('tag:') ? [[name.slice('tag:'.length), value]] : [],
      ),
    ) as Record<string, string>,
    ...(state !== undefined && { state }),
    ...(zone !== undefined && { zone }),
  };
}

function itemOf({
  volumeId,
  sizeGiB,
  state,
  zone,
  createdMs,
  tags,
  attachment,
}: SeenVolume): string {
  const tagSet = Object.entries(tags)
    .map(
      ([key, value]) => `<item><key>${escaped(key)}</key><value>${escaped(value)}</value></item>`,
    )
    .join('');
  const attached = attachment
    ? `<item><instanceId>${attachment.instanceId}</instanceId><device>${attachment.deviceName}</device>` +
      `<status>attached</status><deleteOnTermination>${attachment.protected}</deleteOnTermination></item>`
    : '';
  return (
    `<item><volumeId>${volumeId}</volumeId><size>${sizeGiB}</size><status>${state}</status>` +
    `<availabilityZone>${zone}</availabilityZone><createTime>${new Date(createdMs).toISOString()}</createTime>` +
    `<tagSet>${tagSet}</tagSet><attachmentSet>${attached}</attachmentSet></item>`
  );
}

async function answerMetadata(
  served: Pick<Ec2Server, 'isMetadataDead'>,
  { instanceId, zone, region, tags }: ServedInstance,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (served.isMetadataDead) return void request.socket.destroy();
  const path = decodeURIComponent((request.url ?? '').replace('/latest/', ''));
  if (path === 'api/token')
    return void response.writeHead(request.method === 'PUT' ? 200 : 405).end('token');
  if (request.headers['x-aws-ec2-metadata-token'] !== 'token')
    return void response.writeHead(401).end();
  const known: Record<string, string> = {
    'meta-data/instance-id': instanceId,
    'meta-data/placement/availability-zone': zone,
    'meta-data/placement/region': region,
    ...(tags && { 'meta-data/tags/instance/': Object.keys(tags).join('\n') }),
  };
  for (const [key, value] of Object.entries(tags ?? {}))
    known[`meta-data/tags/instance/${key}`] = value;
  const found = known[path];
  response.writeHead(found === undefined ? 404 : 200).end(found ?? '');
}
