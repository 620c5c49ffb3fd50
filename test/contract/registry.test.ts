/** The client of image registries against one on loopback. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseImageName } from '../../core/image/image-name.ts';
import { readChallenges } from '../../registry/challenge.ts';
import { openRegistryClient, type RegistryClient, type TagAnswer } from '../../registry/client.ts';
import { createCredentials, type CredentialSources } from '../../registry/credentials.ts';
import { createTransport } from '../../registry/transport.ts';
import { createTurns } from '../../registry/turns.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startRegistry, type PlayedRegistry } from '../registry.ts';

let registry: PlayedRegistry;
let client: RegistryClient;
const clients: RegistryClient[] = [];
const metrics = createMetrics();

const open = (credentials: Partial<CredentialSources> = {}): RegistryClient => {
  const opened = openRegistryClient({
    credentialsOf: createCredentials({ logins: [], file: '', ...credentials }),
    metrics,
    plainHttp: [],
    timeoutMs: 300,
    pausesMs: [5, 5],
  });
  clients.push(opened);
  return opened;
};

beforeEach(async () => {
  registry = await startRegistry();
  client = open();
});
afterEach(async () => {
  for (const one of clients.splice(0)) one.close();
  await registry.close();
});

type Question = Partial<Parameters<RegistryClient['resolve']>[0]>;

const resolve = (image: string, more: Question = {}, by = client): Promise<TagAnswer> =>
  by.resolve({
    name: parseImageName(`${registry.host}/${image}`)!,
    architecture: 'x86-64',
    ...more,
  });

const hex = (digest = ''): string => digest.replace('sha256:', '');
const codeOf = (answer: TagAnswer): string => ('problem' in answer ? answer.problem.code : 'none');
const sentenceOf = (answer: TagAnswer): string =>
  'problem' in answer ? answer.problem.sentence : '';

describe('the client of registries', () => {
  it('one HEAD tells the digest of a tag that names a manifest', async () => {
    const digest = registry.push('lab/bwa', '1', 'a');
    expect(await resolve('lab/bwa:1')).toEqual({ tagged: hex(digest), manifest: hex(digest) });
    expect(registry.asked).toEqual(['HEAD lab/bwa 1']);
  });

  it('an index is read by its digest, and the manifest of the architecture taken', async () => {
    const { index, of } = registry.pushIndex('lab/bwa', '1', [
      'linux/amd64',
      'linux/arm64/v8',
      'unknown/unknown',
    ]);
    expect(await resolve('lab/bwa:1')).toEqual({
      tagged: hex(index),
      manifest: hex(of['linux/amd64']),
    });
    expect(await resolve('lab/bwa:1', { architecture: 'arm64' })).toEqual({
      tagged: hex(index),
      manifest: hex(of['linux/arm64/v8']),
    });
    expect(registry.asked.slice(0, 2)).toEqual(['HEAD lab/bwa 1', `GET lab/bwa ${index}`]);
  });

  it('an index that the tag still names is not read again', async () => {
    registry.pushIndex('lab/bwa', '1', ['linux/amd64']);
    const first = await resolve('lab/bwa:1');
    const before = 'problem' in first ? undefined : first;
    expect(await resolve('lab/bwa:1', { ...(before && { before }) })).toEqual(first);
    expect(registry.asked).toHaveLength(3);
    const { index } = registry.pushIndex('lab/bwa', '1', ['linux/amd64'], 'moved');
    expect(await resolve('lab/bwa:1', { ...(before && { before }) })).toMatchObject({
      tagged: hex(index),
    });
  });

  it('an index without the architecture is a problem that names what it has', async () => {
    registry.pushIndex('lab/bwa', '1', ['linux/arm64', 'linux/s390x']);
    const answer = await resolve('lab/bwa:1');
    expect(codeOf(answer)).toBe('no-platform');
    expect(sentenceOf(answer)).toContain('linux/arm64, linux/s390x, but not for Linux on x86-64');
  });

  it('a manifest without Docker-Content-Digest is known by the digest of its bytes', async () => {
    const digest = registry.push('lab/bwa', '1', 'a');
    registry.claims = '';
    expect(await resolve('lab/bwa:1')).toMatchObject({ manifest: hex(digest) });
  });

  it('a registry that knows no HEAD is asked by GET', async () => {
    const digest = registry.push('lab/bwa', '1', 'a');
    registry.instead = ({ method }) => (method === 'HEAD' ? { status: 405 } : undefined);
    expect(await resolve('lab/bwa:1')).toMatchObject({ manifest: hex(digest) });
  });

  it('bytes that are not those of the digest are refused', async () => {
    registry.pushIndex('lab/bwa', '1', ['linux/amd64']);
    const { index: other } = registry.pushIndex('lab/bwa', '2', ['linux/amd64'], 'other');
    registry.instead = ({ method }) =>
      method === 'GET' ? { status: 200, body: '{"manifests":[]}' } : undefined;
    expect(sentenceOf(await resolve('lab/bwa:1'))).toContain('is not what its digest says');
    registry.instead = () => undefined;
    registry.claims = other;
    registry.pushIndex('lab/bwa', '1', ['linux/amd64']);
    registry.instead = ({ method }) => (method === 'HEAD' ? { status: 501 } : undefined);
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('not-understood');
  });

  it.each([
    ['text', 'text/html', '<html>'],
    ['Docker schema 1', 'application/vnd.docker.distribution.manifest.v1+prettyjws', '{}'],
    ['a list', 'application/json', '[]'],
  ])('%s is not understood', async (_, type, body) => {
    registry.instead = () => ({ status: 200, headers: { 'content-type': type }, body });
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('not-understood');
  });

  it('a manifest above 4 MiB is not read', async () => {
    registry.instead = () => ({ status: 200, body: 'x'.repeat(5 * 1024 ** 2) });
    expect(sentenceOf(await resolve('lab/bwa:1'))).toContain('more than 4194304 bytes');
  });

  it('a tag that does not exist is a problem that names registry, tag and repository', async () => {
    expect(await resolve('lab/bwa:9')).toEqual({
      problem: {
        code: 'not-found',
        sentence: `The registry ${registry.host} has no tag 9 of lab/bwa.`,
      },
    });
  });
});

describe('authorization', () => {
  it('an anonymous token is fetched once and used again', async () => {
    registry.requires = 'bearer';
    registry.push('lab/bwa', '1', 'a');
    registry.push('lab/bwa', '2', 'b');
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('none');
    expect(codeOf(await resolve('lab/bwa:2'))).toBe('none');
    expect(registry.asked).toEqual([
      'HEAD lab/bwa 1',
      'token repository:lab/bwa:pull',
      'HEAD lab/bwa 1',
      'HEAD lab/bwa 2',
    ]);
  });

  it('a token is fetched with the credentials of the registry, which go nowhere else', async () => {
    registry.requires = 'bearer';
    registry.login = 'robot:se:cret';
    registry.push('lab/bwa', '1', 'a');
    const known = open({ logins: [`${registry.host}=robot:se:cret`] });
    expect(codeOf(await resolve('lab/bwa:1', {}, known))).toBe('none');
    const basic = `Basic ${Buffer.from('robot:se:cret').toString('base64')}`;
    expect(registry.authorizations).toEqual(['', basic, 'Bearer good']);
  });

  it('Basic credentials are sent as Amazon ECR asks for them', async () => {
    registry.requires = 'basic';
    registry.login = 'AWS:long';
    registry.push('lab/bwa', '1', 'a');
    const known = open({ logins: [`${registry.host}=AWS:long`] });
    expect(codeOf(await resolve('lab/bwa:1', {}, known))).toBe('none');
  });

  it('a token that no longer holds is renewed', async () => {
    registry.requires = 'bearer';
    registry.push('lab/bwa', '1', 'a');
    await resolve('lab/bwa:1');
    let refused = 0;
    registry.instead = ({ path }) => {
      if (!path.includes('/manifests/') || refused > 0) return undefined;
      refused += 1;
      const realm = `Bearer realm="http://${registry.host}/token"`;
      return { status: 401, headers: { 'www-authenticate': realm } };
    };
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('none');
  });

  it.each([
    ['no credentials', [], 'bearer', 'without credentials'],
    ['wrong credentials', ['=robot:wrong'], 'bearer', 'with the credentials of user robot'],
    ['no credentials', [], 'basic', 'without credentials'],
    ['wrong credentials', ['=robot:wrong'], 'basic', 'with the credentials of user robot'],
  ] as const)('%s of %j: a %s registry denies', async (_, logins, requires, says) => {
    registry.requires = requires;
    registry.login = 'robot:secret';
    registry.push('lab/bwa', '1', 'a');
    const known = open({ logins: logins.map((login) => registry.host + login) });
    const answer = await resolve('lab/bwa:1', {}, known);
    expect(codeOf(answer)).toBe('denied');
    expect(sentenceOf(answer)).toContain(says);
    expect(sentenceOf(answer)).not.toContain('wrong');
  });

  it.each([
    ['a 403', { status: 403 }, 'denied'],
    ['a 401 without a challenge', { status: 401 }, 'denied'],
    [
      'a realm that is no URL',
      { status: 401, headers: { 'www-authenticate': 'Bearer realm="here"' } },
      'not-understood',
    ],
    [
      'a realm over plain http',
      { status: 401, headers: { 'www-authenticate': 'Bearer realm="http://192.0.2.1/token"' } },
      'not-understood',
    ],
  ])('%s is a problem', async (_, answer, code) => {
    registry.instead = () => answer;
    expect(codeOf(await resolve('lab/bwa:1'))).toBe(code);
  });

  it.each(['{}', 'text', '{"token":"a\\nb"}', '{"token":5}'])(
    'a token service that answers %j is not understood',
    async (body) => {
      registry.requires = 'bearer';
      registry.push('lab/bwa', '1', 'a');
      registry.instead = ({ path }) =>
        path.startsWith('/token') ? { status: 200, body } : undefined;
      expect(codeOf(await resolve('lab/bwa:1'))).toBe('not-understood');
    },
  );

  it('credentials come from a file of Docker’s, which is read again when it changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'batchwell-docker-'));
    const file = join(folder, 'config.json');
    const unreadable: string[] = [];
    const known = createCredentials({
      logins: ['ghcr.io=given:x'],
      file,
      onUnreadable: ({ message }) => unreadable.push(message),
    });
    const auth = (login: string) => ({ auth: Buffer.from(login).toString('base64') });
    expect(await known('docker.io')).toBeUndefined();
    const write = (auths: unknown) => writeFile(file, JSON.stringify({ auths }));
    await write({ 'https://index.docker.io/v1/': auth('me:a:b'), 'ghcr.io': auth('file:y') });
    expect(await known('docker.io')).toEqual({ user: 'me', password: 'a:b' });
    expect(await known('ghcr.io')).toEqual({ user: 'given', password: 'x' });
    await write({ 'docker.io': auth('me:renewed'), broken: null });
    expect(await known('docker.io')).toEqual({ user: 'me', password: 'renewed' });
    await writeFile(file, '{"auths":{"docker.io":{"auth":"secret"');
    expect(await known('docker.io')).toEqual({ user: 'me', password: 'renewed' });
    expect(unreadable.at(-1)).toBe('The file is not valid JSON.');
    await rm(folder, { recursive: true });
  });
});

describe('a registry in trouble', () => {
  it('that fails twice is asked a third time', async () => {
    const digest = registry.push('lab/bwa', '1', 'a');
    let failed = 0;
    registry.instead = () => ((failed += 1) <= 2 ? { status: 503 } : undefined);
    expect(await resolve('lab/bwa:1')).toMatchObject({ manifest: hex(digest) });
  });

  it('that goes on failing is left alone for a while', async () => {
    registry.instead = () => ({ status: 500 });
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('no-answer');
    expect(codeOf(await resolve('lab/bwa:2'))).toBe('no-answer');
    expect(registry.asked).toHaveLength(3);
  });

  it('that asks to come back soon is asked again then', async () => {
    registry.push('lab/bwa', '1', 'a');
    let asked = 0;
    registry.instead = () =>
      (asked += 1) === 1 ? { status: 429, headers: { 'retry-after': '0' } } : undefined;
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('none');
  });

  it('that asks for a long rest gets it, for all of its images', async () => {
    registry.instead = () => ({ status: 429, headers: { 'retry-after': '600' } });
    const answer = await resolve('lab/bwa:1');
    expect(codeOf(answer)).toBe('busy');
    expect(sentenceOf(answer)).toContain('accepts no more requests for now (HTTP 429)');
    registry.instead = () => undefined;
    expect(codeOf(await resolve('lab/other:1'))).toBe('busy');
    expect(registry.asked).toHaveLength(1);
  });

  it('that hangs is given up, and its other images do not wait for it', async () => {
    registry.instead = () => 'hang';
    const startMs = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) => resolve(`lab/bwa:${at}`)),
    );
    expect(new Set(answers.map(codeOf))).toEqual(new Set(['no-answer']));
    expect(sentenceOf(answers[0]!)).toContain('did not answer in time (0.3 s)');
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(registry.asked).toHaveLength(4);
  });

  it('that is away is a problem that says why', async () => {
    await registry.close();
    const answer = await resolve('lab/bwa:1');
    expect(codeOf(answer)).toBe('no-answer');
    expect(sentenceOf(answer)).toContain('ECONNREFUSED');
    registry = await startRegistry();
  });

  it('gets four requests at once at most', async () => {
    let now = 0;
    let most = 0;
    registry.push('lab/bwa', '1', 'a');
    registry.instead = () => {
      now += 1;
      most = Math.max(most, now);
      setTimeout(() => (now -= 1), 1);
      return undefined;
    };
    await Promise.all(Array.from({ length: 30 }, () => resolve('lab/bwa:1')));
    expect(most).toBeLessThanOrEqual(4);
    expect(registry.asked).toHaveLength(30);
  });
});

describe('redirects', () => {
  it('are followed without the credentials where they lead to another host', async () => {
    const other = await startRegistry();
    const digest = other.push('lab/bwa', '1', 'a');
    registry.requires = 'basic';
    registry.login = 'a:b';
    registry.instead = ({ path }) =>
      registry.authorizations.at(-1) === ''
        ? undefined
        : { status: 307, headers: { location: `http://${other.host}${path}` } };
    const known = open({ logins: [`${registry.host}=a:b`] });
    expect(await resolve('lab/bwa:1', {}, known)).toMatchObject({ manifest: hex(digest) });
    expect(other.authorizations).toEqual(['']);
    await other.close();
  });

  it.each(['http://192.0.2.1/v2/', 'http://user:secret@127.0.0.1/', 'file:///etc/passwd'])(
    'to %s are refused',
    async (location) => {
      registry.instead = () => ({ status: 307, headers: { location } });
      const answer = await resolve('lab/bwa:1');
      expect(codeOf(answer)).toBe('not-understood');
      expect(sentenceOf(answer)).not.toContain('secret');
    },
  );

  it('in a circle end', async () => {
    registry.instead = ({ path }) => ({ status: 302, headers: { location: path } });
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('not-understood');
    expect(registry.asked).toHaveLength(6);
  });
});

describe('the scheme of a registry', () => {
  const { schemeOf } = createTransport({ turns: createTurns(), metrics, plainHttp: ['Lab:5000'] });
  it.each([
    ['docker.io', 'https'],
    ['lab:5001', 'https'],
    ['127.0.0.1.example.org', 'https'],
    ['localhost.example.org', 'https'],
    ['lab:5000', 'http'],
    ['localhost:5000', 'http'],
    ['127.0.0.1', 'http'],
    ['[::1]:5000', 'http'],
  ])('%s is asked over %s', (registry, scheme) => expect(schemeOf(registry)).toBe(scheme));
});

describe('readChallenges', () => {
  it.each([
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      [
        {
          scheme: 'bearer',
          parameters: {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:a/b:pull,push',
          },
        },
      ],
    ],
    [
      String.raw`Negotiate, BASIC realm="a \"b\"" , Bearer Realm=x, service=y`,
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'basic', parameters: { realm: 'a "b"' } },
        { scheme: 'bearer', parameters: { realm: 'x', service: 'y' } },
      ],
    ],
    ['', []],
    ['realm="x"', []],
    ['Basic realm="never closed', []],
  ])('reads %j', (header, expected) => {
    expect(readChallenges(header)).toEqual(expected);
  });
});
