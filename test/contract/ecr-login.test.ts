/** Passwords for Amazon ECR, from a played GetAuthorizationToken. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEcrLogins } from '../../aws/ecr-login.ts';
import { startRegistry, type PlayedRegistry } from '../registry.ts';

const REGISTRY = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;

let server: PlayedRegistry;
let refused: string[];
let nowMs: number;
const open = () =>
  createEcrLogins({
    endpointOf: () => `http://${server.host}`,
    onRefused: (region, message) => refused.push(`${region}: ${message}`),
    nowMs: () => nowMs,
  });

const answerWith = (login: string) => () => ({
  status: 200,
  body: JSON.stringify({
    authorizationData: [
      {
        authorizationToken: Buffer.from(login).toString('base64'),
        expiresAt: (NOW_MS + 12 * HOUR_MS) / 1000,
      },
    ],
  }),
});

beforeEach(async () => {
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  });
  refused = [];
  nowMs = NOW_MS;
  server = await startRegistry();
});
afterEach(() => server.close());

describe('the login of an ECR registry', () => {
  it('is asked for with the role of the process, once per Region until it expires', async () => {
    server.instead = answerWith('AWS:pass:word');
    const logins = open();
    const both = await Promise.all([logins.loginOf(REGISTRY), logins.loginOf(REGISTRY)]);
    expect(both).toEqual(both.map(() => ({ user: 'AWS', password: 'pass:word' })));
    expect(server.authorizations).toHaveLength(1);
    expect(server.authorizations[0]).toMatch(
      /^AWS4-HMAC-SHA256 Credential=local\/\d{8}\/eu-west-1\/ecr\/aws4_request, SignedHeaders=[^,]*host[^,]*x-amz-target/,
    );
    nowMs += 11 * HOUR_MS;
    await logins.loginOf(REGISTRY);
    expect(server.authorizations).toHaveLength(1);
    nowMs += HOUR_MS;
    await logins.loginOf(REGISTRY);
    await logins.loginOf(REGISTRY.replace('eu-west-1', 'us-east-2'));
    expect(server.authorizations).toHaveLength(3);
    logins.close();
  });

  it('is absent where the role may not, and is asked for again a minute later', async () => {
    server.instead = () => ({ status: 400, body: '{"__type":"AccessDeniedException"}' });
    const logins = open();
    expect(await logins.loginOf(REGISTRY)).toBeUndefined();
    expect(await logins.loginOf(REGISTRY)).toBeUndefined();
    expect(refused).toEqual(['eu-west-1: HTTP 400: {"__type":"AccessDeniedException"}']);
    server.instead = answerWith('AWS:x');
    nowMs += 61_000;
    expect(await logins.loginOf(REGISTRY)).toEqual({ user: 'AWS', password: 'x' });
    logins.close();
  });

  it.each(['{"authorizationData":[', '{}', 'null', '{"authorizationData":[{}]}'])(
    'is absent when the answer is %j',
    async (body) => {
      server.instead = () => ({ status: 200, body });
      const logins = open();
      expect(await logins.loginOf(REGISTRY)).toBeUndefined();
      expect(refused).toEqual([
        'eu-west-1: The answer of GetAuthorizationToken holds no password.',
      ]);
      logins.close();
    },
  );

  it.each([
    'docker.io',
    'public.ecr.aws',
    `${REGISTRY}.example.org`,
    `evil.${REGISTRY}`,
    '123456789012.dkr.ecr.x.amazonaws.com',
  ])('is not asked for by %s', async (registry) => {
    const logins = open();
    expect(await logins.loginOf(registry)).toBeUndefined();
    expect(server.asked).toEqual([]);
    logins.close();
  });
});
