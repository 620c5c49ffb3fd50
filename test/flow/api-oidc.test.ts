/** Bearer tokens of an OpenID provider, which is simulated with real keys. */
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';
import type { webcrypto } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openOidc } from '../../api/access/oidc.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

const TASKS = '/ga4gh/tes/v1/tasks';
const task = (url: string) => ({
  executors: [{ image: 'alpine', command: ['true'] }],
  outputs: [{ url, path: '/o' }],
});

let provider: Server;
let issuer: string;
let world: ApiWorld;
let published: JWK[] = [];
let isUp = true;
let signingKey: webcrypto.CryptoKey;

beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  signingKey = pair.privateKey;
  published = [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' }];
  provider = createServer((request, response) => {
    if (!isUp) return void response.writeHead(503).end();
    const body =
      request.url === '/keys' ? { keys: published } : { issuer, jwks_uri: `${issuer}/keys` };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => void provider.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  world = await startApiWorld({
    oidcIssuer: issuer,
    oidcAudience: 'batchwell',
    oidcUrls: ['s3://lab/{owner}'],
  });
});
afterAll(async () => {
  await world?.close();
  provider.closeAllConnections();
  provider.close();
});

interface Claims {
  audience?: string;
  issuer?: string;
  subject?: string;
  expires?: string;
  key?: webcrypto.CryptoKey;
  kid?: string;
}

const sign = ({
  audience = 'batchwell',
  subject = 'ann',
  expires = '5m',
  key = signingKey,
  kid = 'one',
  ...given
}: Claims = {}): Promise<string> =>
  new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuer(given.issuer ?? issuer)
    .setAudience(audience)
    .setSubject(subject)
    .setExpirationTime(expires)
    .sign(key);
const call = (token: string, method = 'GET', body?: object) =>
  world.call(method, TASKS, body, { authorization: `Bearer ${token}` });

test('a token is neither accepted nor refused until its provider has been reached', async () => {
  isUp = false;
  const answer = await call(await sign());
  isUp = true;
  expect([answer.status, answer.headers.get('retry-after'), answer.json.message]).toEqual([
    503,
    expect.any(String),
    expect.stringContaining('OpenID provider'),
  ]);
  expect((await call(await sign())).status).toBe(200);
});

test('the owner claim decides who owns the tasks, and fills in the allowed URLs', async () => {
  const [ann, bob] = [await sign(), await sign({ subject: 'bob' })];
  expect((await call(ann, 'POST', task('s3://lab/ann/x'))).status).toBe(200);
  expect((await call(ann)).json.tasks.length).toBe(1);
  expect((await call(bob)).json.tasks).toEqual([]);
  expect(
    (await call(bob, 'POST', task('s3://lab/ann/x'))).json.problems.map(({ field }) => field),
  ).toEqual(['outputs[0].url']);
  const answer = await world.call(
    'POST',
    '/v1/tokens',
    { owner: 'me' },
    { authorization: `Bearer ${ann}` },
  );
  expect(answer.status).toBe(403);
});

test.each<[string, Claims]>([
  ['for another service', { audience: 'other' }],
  ['of another provider', { issuer: 'https://evil.example' }],
  ['that has expired', { expires: '-5m' }],
  ['whose owner could lead out of a folder', { subject: '../bob' }],
  ['of an owner with too long a name', { subject: 'x'.repeat(65) }],
  ['signed with an unknown key', { kid: 'two' }],
])('a JWT %s is refused', async (_, claims) =>
  expect((await call(await sign(claims))).status).toBe(401),
);

test('a forged JWT is refused: another key, no signature, a shared secret', async () => {
  const other = await generateKeyPair('ES256');
  const payload = (await sign()).split('.')[1] ?? '';
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.x`;
  const secret = await new SignJWT()
    .setProtectedHeader({ alg: 'HS256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience('batchwell')
    .setSubject('ann')
    .setExpirationTime('5m')
    .sign(Buffer.from(JSON.stringify(published[0])));
  for (const token of [await sign({ key: other.privateKey }), none, secret])
    expect((await call(token)).status).toBe(401);
});

test.each([
  [{ oidcIssuer: 'https://id.example', oidcAudience: '' }, 'BATCHWELL_OIDC_AUDIENCE'],
  [{ oidcIssuer: 'http://id.example', oidcAudience: 'batchwell' }, 'does not begin with https://'],
])('insecure OpenID settings are refused: %j', (settings, message) => {
  expect(() =>
    openOidc({ ...settings, oidcOwnerClaim: 'sub', oidcScopes: [], oidcUrls: [] }),
  ).toThrow(message);
});
