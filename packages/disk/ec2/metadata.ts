/** The instance metadata (IMDSv2): who this host is, and the tags of the instance. */

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
  const ask = async (path: string, init: RequestInit): Promise<Response> =>
    fetch(new URL(path, address), { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
  const open = async (): Promise<(name: string) => Promise<string | undefined>> => {
    const answer = await ask('/latest/api/token', {
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '300' },
    });
    if (!answer.ok) throw new Error(`The instance metadata refused a token (${answer.status}).`);
    const headers = { 'x-aws-ec2-metadata-token': await answer.text() };
    return async (name) => {
      const found = await ask(`/latest/meta-data/${name}`, { headers });
      if (found.status === 404) return undefined;
      if (!found.ok) throw new Error(`The instance metadata answered ${found.status} to ${name}.`);
      return found.text();
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
