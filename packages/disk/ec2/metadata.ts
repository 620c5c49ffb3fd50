/** The instance metadata (IMDSv2): who this host is, and the tags of the instance. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Identity {
  instanceId: string;
  zone: string;
  region: string;
}

const ADDRESS = 'http://169.254.169.254';
const ANSWER_MS = 2_000;

export interface Metadata {
  identity(): Promise<Identity>;
  /** Empty where the metadata do not show tags. */
  tags(): Promise<Record<string, string>>;
}

export function metadata(
  address = process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? ADDRESS,
): Metadata {
  const open = async (): Promise<(name: string) => Promise<string | undefined>> => {
    const token = await ask(new URL('/latest/api/token', address), 'PUT', {
      'x-aws-ec2-metadata-token-ttl-seconds': '300',
    });
    if (token.status !== 200)
      throw new Error(`The instance metadata refused a token (${token.status}).`);
    const headers = { 'x-aws-ec2-metadata-token': token.body };
    return async (name) => {
      const found = await ask(new URL(`/latest/meta-data/${name}`, address), 'GET', headers);
      if (found.status === 404) return undefined;
      if (found.status !== 200)
        throw new Error(`The instance metadata answered ${found.status} to ${name}.`);
      return found.body;
    };
  };
  return {
    identity: async () => {
      const look = await open();
      const [instanceId, zone, region] = await Promise.all(
        ['instance-id', 'placement/availability-zone', 'placement/region'].map(look),
      );
      if (!instanceId || !zone || !region)
        throw new Error('The instance metadata do not name instance, zone, and Region.');
      return { instanceId, zone, region };
    },
    tags: async () => {
      const look = await open();
      const list = (await look('tags/instance/')) ?? '';
      const keys = list.split('\n').filter((key) => key !== '');
      const pairs = await Promise.all(
        keys.map(async (key) => [
          key,
          (await look(`tags/instance/${encodeURIComponent(key)}`)) ?? '',
        ]),
      );
      return Object.fromEntries(pairs) as Record<string, string>;
    },
  };
}

/** Without fetch, which takes longer to load than all the rest of a start. */
async function ask(
  url: URL,
  method: 'GET' | 'PUT',
  headers: Record<string, string>,
): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const sent = request(url, { method, headers, signal, agent: false }).end();
  const [answer] = (await once(sent, 'response', { signal })) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer) };
}
