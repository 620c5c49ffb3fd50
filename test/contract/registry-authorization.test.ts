/** How the client of image registries authorizes itself. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readChallenges } from '../../registry/challenge.ts';
import type { RegistryClient, TagAnswer } from '../../registry/client.ts';
import { createCredentials } from '../../registry/credentials.ts';
import { startRegistry, type PlayedRegistry } from '../registry.ts';
import { ask, codeOf, openClient, sentenceOf } from './registry-world.ts';

let registry: PlayedRegistry;
let client: RegistryClient;
beforeEach(async () => {
  registry = await startRegistry();
  client = openClient();
});
afterEach(async () => {
  client.close();
  await registry.close();
});

const resolve = (image: string): Promise<TagAnswer> => ask(client, `${registry.host}/${image}`);

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
    client = openClient({ logins: [`${registry.host}=robot:se:cret`] });
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('none');
    const basic = `Basic ${Buffer.from('robot:se:cret').toString('base64')}`;
    expect(registry.authorizations).toEqual(['', basic, 'Bearer good']);
  });

  it('Basic credentials are sent as Amazon ECR asks for them', async () => {
    registry.requires = 'basic';
    registry.login = 'AWS:long';
    registry.push('lab/bwa', '1', 'a');
    client = openClient({ logins: [`${registry.host}=AWS:long`] });
    expect(codeOf(await resolve('lab/bwa:1'))).toBe('none');
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
    client = openClient({ logins: logins.map((login) => registry.host + login) });
    const answer = await resolve('lab/bwa:1');
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
