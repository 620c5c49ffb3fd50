/** An image registry on loopback that speaks the distribution API, for tests. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json';

interface Manifest {
  type: string;
  body: string;
}

interface PlayedAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

export interface PlayedRegistry {
  /** `127.0.0.1:port` */
  host: string;
  /** `HEAD repository reference`, or `token scope`, in their order. */
  asked: string[];
  /** Of each request, '' without. */
  authorizations: string[];
  /** Names a manifest by a tag. Returns its digest. */
  push(repository: string, tag: string, text: string): string;
  /** Names an index by a tag. Returns the digests of the index and of each platform. */
  pushIndex(
    repository: string,
    tag: string,
    platforms: readonly string[],
    text?: string,
  ): { index: string; of: Record<string, string> };
  /** What a caller must bring; anything by default. */
  requires: 'nothing' | 'bearer' | 'basic';
  /** `user:password` of a caller who may pull; anonymous when empty. */
  login: string;
  /** Answers in the place of the registry; undefined lets it answer itself, `hang` never answers. */
  instead(request: { method: string; path: string }): PlayedAnswer | 'hang' | undefined;
  /** Sent as Docker-Content-Digest of each manifest; its own digest when absent, none when empty. */
  claims: string | undefined;
  /** Ends connections, and with them requests that are not answered. */
  hangUp(): void;
  close(): Promise<void>;
}

const digestOf = (body: string): string =>
  `sha256:${createHash('sha256').update(body).digest('hex')}`;

export async function startRegistry(): Promise<PlayedRegistry> {
  const manifests = new Map<string, Manifest>();
  const keep = (repository: string, manifest: Manifest, tag?: string): string => {
    const digest = digestOf(manifest.body);
    for (const reference of [digest, ...(tag === undefined ? [] : [tag])])
      manifests.set(`${repository} ${reference}`, manifest);
    return digest;
  };
  const image = (text: string): Manifest => ({
    type: OCI_IMAGE,
    body: JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, text }),
  });
  const server = createServer((request, response) => serve(registry, manifests, request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const registry: PlayedRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    authorizations: [],
    requires: 'nothing',
    login: '',
    claims: undefined,
    instead: () => undefined,
    push: (repository, tag, text) => keep(repository, image(text), tag),
    pushIndex(repository, tag, platforms, text = '') {
      const of = Object.fromEntries(
        platforms.map((platform) => [platform, keep(repository, image(platform + text))]),
      );
      const listed = platforms.map((platform) => {
        const [os, architecture, variant] = platform.split('/');
        return {
          mediaType: OCI_IMAGE,
          digest: of[platform],
          size: 1,
          platform: { os, architecture, variant },
        };
      });
      const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: listed });
      return { index: keep(repository, { type: OCI_INDEX, body }, tag), of };
    },
    hangUp: () => server.closeAllConnections(),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return registry;
}

function serve(
  registry: PlayedRegistry,
  manifests: ReadonlyMap<string, Manifest>,
  { method = '', url: path = '', headers }: IncomingMessage,
  response: ServerResponse,
): void {
  const authorization = headers.authorization ?? '';
  registry.authorizations.push(authorization);
  const url = new URL(path, `http://${registry.host}`);
  const [, repository = '', reference = ''] =
    /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(url.pathname) ?? [];
  const isToken = url.pathname === '/token';
  registry.asked.push(
    isToken ? `token ${url.searchParams.get('scope')}` : `${method} ${repository} ${reference}`,
  );
  const played = registry.instead({ method, path });
  if (played === 'hang') return;
  const answer =
    played ??
    (isToken
      ? token(registry, authorization)
      : manifest(registry, manifests, { repository, reference, authorization, headers }));
  response.writeHead(answer.status, answer.headers);
  response.end(method === 'HEAD' ? undefined : answer.body);
}

const basicOf = (login: string): string => `Basic ${Buffer.from(login).toString('base64')}`;

function token({ login }: PlayedRegistry, authorization: string): PlayedAnswer {
  const isKnown = login === '' ? authorization === '' : authorization === basicOf(login);
  return isKnown
    ? { status: 200, body: JSON.stringify({ token: 'good', expires_in: 300 }) }
    : { status: 401, body: '{}' };
}

interface Wanted {
  repository: string;
  reference: string;
  authorization: string;
  headers: IncomingMessage['headers'];
}

function manifest(
  { host, requires, login, claims }: PlayedRegistry,
  manifests: ReadonlyMap<string, Manifest>,
  { repository, reference, authorization, headers }: Wanted,
): PlayedAnswer {
  const challenge = {
    nothing: '',
    bearer: `Bearer realm="http://${host}/token",service="played",scope="repository:${repository}:pull"`,
    basic: 'Basic realm="played",service="ecr.amazonaws.com"',
  }[requires];
  const accepted = { nothing: authorization, bearer: 'Bearer good', basic: basicOf(login) };
  if (authorization !== accepted[requires])
    return { status: 401, headers: { 'www-authenticate': challenge } };
  const found = manifests.get(`${repository} ${reference}`);
  if (!found || headers.accept?.includes(found.type) !== true) return { status: 404, body: '{}' };
  const digest = claims ?? digestOf(found.body);
  return {
    status: 200,
    headers: {
      'content-type': found.type,
      ...(digest !== '' && { 'docker-content-digest': digest }),
    },
    body: found.body,
  };
}
