/** The client of image registries against one on loopback. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RegistryClient, TagAnswer } from '../../registry/client.ts';
import { createTransport } from '../../registry/transport.ts';
import { createTurns } from '../../registry/turns.ts';
import { startRegistry, type PlayedRegistry } from '../registry.ts';
import { ask, codeOf, metrics, openClient, sentenceOf } from './registry-world.ts';

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

const resolve = (image: string, more: Parameters<typeof ask>[2] = {}): Promise<TagAnswer> =>
  ask(client, `${registry.host}/${image}`, more);

const hex = (digest = ''): string => digest.replace('sha256:', '');

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
    client = openClient({}, 300);
    registry.instead = () => 'hang';
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) => resolve(`lab/bwa:${at}`)),
    );
    expect(new Set(answers.map(codeOf))).toEqual(new Set(['no-answer']));
    expect(sentenceOf(answers[0]!)).toContain('did not answer in time (0.3 s)');
    expect(registry.asked).toHaveLength(4);
  });

  it('that is away is a problem that says why', async () => {
    await registry.close();
    const answer = await resolve('lab/bwa:1');
    expect(codeOf(answer)).toBe('no-answer');
    expect(sentenceOf(answer)).toContain('ECONNREFUSED');
    registry = await startRegistry();
  });
});

describe('requests to registries', () => {
  it('take turns: four at once of a host, and those of another host do not wait', async () => {
    const turns = createTurns();
    let now = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
    };
    await Promise.all(Array.from({ length: 30 }, () => turns.take('a', work)));
    expect(most).toBe(4);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const all = Array.from({ length: 5 }, () => turns.take('a', () => held));
    expect(await turns.take('b', async () => 'served')).toBe('served');
    release();
    await Promise.all(all);
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
    client = openClient({ logins: [`${registry.host}=a:b`] });
    expect(await resolve('lab/bwa:1')).toMatchObject({ manifest: hex(digest) });
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
