/** Access control: tokens in the database, their scopes and limits, and the limit of POSTs. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowDataPacket } from 'mysql2/promise';
import { readConfig } from '../../config.ts';
import { startApi } from '../../api/main.ts';
import { FRESH_MS } from '../../api/access/stored-tokens.ts';
import { run } from '../unit/cli-world.ts';
import { jsonAs, startApiWorld, type Answer, type ApiWorld } from '../api-world.ts';

const TES = '/ga4gh/tes/v1';
const ROLE = 'arn:aws:iam::123456789012:role/lab';
const simple = { executors: [{ image: 'alpine', command: ['true'] }] };
const withFiles = (from: string, to: string, parameters = {}) => ({
  ...simple,
  inputs: [{ url: from, path: '/in' }],
  outputs: [{ url: to, path: '/out' }],
  resources: { backend_parameters: parameters },
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

interface Made {
  id: number;
  token: string;
}

describe('tokens in the database', () => {
  let world: ApiWorld;
  let clockMs = 0;
  beforeAll(async () => {
    world = await startApiWorld(
      { tokens: ['root:root-secret'], jobRoles: [] },
      undefined,
      () => Date.now() + clockMs,
    );
  });
  afterAll(() => world.close());

  const call = (token: string, method: string, path: string, body?: unknown): Promise<Answer> =>
    world.call(method, path, body, bearer(token));
  const make = async (rights: object): Promise<Made> => {
    const answer = await call('root-secret', 'POST', '/v1/tokens', rights);
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('bw_')]);
    return jsonAs<Made>(answer);
  };
  const refusals = async (token: string, task: object): Promise<string[]> => {
    const answer = await call(token, 'POST', `${TES}/tasks`, task);
    expect(answer.status).toBe(400);
    return answer.json.problems.map(({ field }) => field);
  };

  test('a new token is shown once, and is neither in the database nor in a log', async () => {
    const { id, token } = await make({ owner: 'ann', name: 'for the sequencer' });
    expect((await call(token, 'POST', `${TES}/tasks`, simple)).status).toBe(200);
    const listed = await call('root-secret', 'GET', '/v1/tokens');
    expect(listed.text).not.toContain(token);
    expect(jsonAs<{ tokens: object[] }>(listed).tokens).toContainEqual(
      expect.objectContaining({
        id,
        owner: 'ann',
        name: 'for the sequencer',
        scopes: ['submit', 'read', 'cancel'],
        cache_domain: 'ann',
      }),
    );
    const [rows] = await world.database.pool.query<RowDataPacket[]>('SELECT * FROM tokens');
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain(token);
    expect(world.lines.join('')).not.toContain(token);
    expect(world.lines.join('')).toContain('token-made');
  });

  test('batchwell token creates, lists and revokes a token', async () => {
    const cli = (...words: string[]) =>
      run(['token', ...words], {
        environment: { BATCHWELL_URL: world.url, BATCHWELL_TOKEN: 'root-secret' },
      });
    const made = await cli(
      'create',
      '--owner',
      'cli',
      '--name',
      'nightly',
      '--scope',
      'submit',
      'read',
      '--allow-url',
      's3://lab/cli',
      '--days',
      '30',
    );
    expect(made).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^bw_[\w-]{43}\n$/),
      err: expect.stringContaining('of cli allows submit, read until 20'),
    });
    const listed = await cli('list');
    expect(listed.out).toMatch(/cli +submit read +s3:\/\/lab\/cli .* nightly/);
    const id = /^ *(\d+)  cli/m.exec(listed.out)?.[1] ?? '';
    expect((await cli('revoke', id)).code).toBe(0);
    expect((await cli('list')).out).toMatch(/cli .* revoked .* nightly/);
    expect(await cli('revoke', 'x')).toMatchObject({
      code: 2,
      err: expect.stringContaining('id of a token'),
    });
  });

  test('each scope allows its own routes and no others', async () => {
    const { token: owner } = await make({ owner: 'scopes' });
    const id = (await call(owner, 'POST', `${TES}/tasks`, simple)).json.id;
    const tries = {
      submit: ['POST', `${TES}/tasks`, simple],
      read: ['GET', `${TES}/tasks/${id}`],
      cancel: ['POST', `${TES}/tasks/${id}:cancel`],
      admin: ['GET', '/v1/tokens'],
    } as const;
    for (const scope of ['submit', 'read', 'cancel', 'admin'] as const) {
      const { token } = await make({ owner: 'scopes', scopes: [scope] });
      const answers = await Promise.all(
        Object.values(tries).map(([method, path, body]) => call(token, method, path, body)),
      );
      expect(answers.map(({ status }) => status)).toEqual(
        Object.keys(tries).map((tried) => (tried === scope ? 200 : 403)),
      );
      expect((await world.call('GET', '/board/', undefined, bearer(token))).status).toBe(
        scope === 'admin' ? 200 : 403,
      );
    }
    const { token } = await make({ owner: 'scopes', scopes: ['read'] });
    for (const path of [
      '/v1/scatters',
      '/v1/tasks:validate',
      '/v1/tasks:cancel',
      '/v1/scatters/x:cancel',
    ])
      expect([path, (await call(token, 'POST', path, {})).status]).toEqual([path, 403]);
    expect((await call(token, 'POST', `${TES}/tasks`, simple)).json.message).toBe(
      'This token lacks the scope submit; its scopes are: read. Use a token with the scope submit.',
    );
  });

  test('a task or scatter is refused with every URL, queue and role that its token does not allow', async () => {
    const { token } = await make({
      owner: 'lab',
      urls: ['s3://lab/ann', 'https://data.example/pub/'],
      queues: ['fast', 'slow'],
      job_roles: [ROLE],
    });
    expect(
      await refusals(
        token,
        withFiles('s3://lab/annex/x', 's3://other/x', { queue: 'big', job_role: `${ROLE}-2` }),
      ),
    ).toEqual([
      'inputs[0].url',
      'outputs[0].url',
      'resources.backend_parameters.queue',
      'resources.backend_parameters.job_role',
    ]);
    for (const url of [
      'https://data.example/pub/../secret',
      'https://data.example/pub/%2e%2e/secret',
      'https://data.example/public',
      's3://lab/ann/../bob/x',
      '/mnt/x',
      'file:///etc/passwd',
    ])
      expect([url, await refusals(token, withFiles(url, 's3://lab/ann/x'))]).toEqual([
        url,
        ['inputs[0].url'],
      ]);
    const good = await call(
      token,
      'POST',
      '/v1/tasks:validate',
      withFiles('https://data.example/pub/x', 's3://lab/ann/y', { job_role: ROLE }),
    );
    expect(good.json).toMatchObject({
      queue: 'fast',
      job_definition: { containerProperties: { jobRoleArn: ROLE } },
      // What only that role may read is told to nobody.
      cache: { verdict: 'not-told', unreadable_inputs: [] },
    });
    expect(
      (
        await call(
          token,
          'POST',
          `${TES}/tasks`,
          withFiles('s3://lab/ann/x', 's3://lab/ann/y', {
            queue: 'arn:aws:batch:us-east-1:123456789012:job-queue/slow',
          }),
        )
      ).status,
    ).toBe(200);

    const scatter = await call(token, 'POST', '/v1/scatters', {
      template: withFiles('s3://lab/{{who}}/x', 's3://lab/ann/y'),
      rows: [{ who: 'ann' }, { who: 'bob' }],
    });
    expect([scatter.status, scatter.json.problems]).toEqual([
      400,
      [expect.objectContaining({ row: 1, field: 'inputs[0].url' })],
    ]);
    const { token: free } = await make({ owner: 'free' });
    expect(await refusals(free, withFiles('s3://any/x', 's3://any/y', { job_role: ROLE }))).toEqual(
      ['resources.backend_parameters.job_role'],
    );
  });

  test('tasks get the profile and the cache domain of their token', async () => {
    const { token } = await make({ owner: 'dan', cache_domain: 'shared', profile: 'pulsar' });
    const id = (await call(token, 'POST', `${TES}/tasks`, simple)).json.id;
    expect((await call(token, 'GET', `${TES}/tasks/${id}`)).json.state).toBe('INITIALIZING');
    const [rows] = await world.database.pool.query<RowDataPacket[]>(
      "SELECT cache_domain FROM tasks WHERE owner = 'dan'",
    );
    expect(rows).toEqual([{ cache_domain: 'shared' }]);
  });

  test('a token stops working once it is revoked or has expired', async () => {
    const { id, token } = await make({ owner: 'eve' });
    const { token: short } = await make({
      owner: 'eve',
      expires: new Date(Date.now() + 60_000).toISOString(),
    });
    expect([
      (await call(token, 'GET', `${TES}/tasks`)).status,
      (await call(short, 'GET', `${TES}/tasks`)).status,
    ]).toEqual([200, 200]);
    expect((await call('root-secret', 'DELETE', `/v1/tokens/${id}`)).status).toBe(200);
    expect((await call('root-secret', 'DELETE', '/v1/tokens/99999')).status).toBe(404);
    clockMs = FRESH_MS + 1;
    const revoked = await call(token, 'GET', `${TES}/tasks`);
    clockMs = 61_000;
    const expired = await call(short, 'GET', `${TES}/tasks`);
    clockMs = 0;
    expect([revoked.status, revoked.json.message, expired.status, expired.json.message]).toEqual([
      401,
      'The token was revoked. Ask an administrator for a new one.',
      401,
      expect.stringMatching(/^The token expired at 20/),
    ]);
  });

  test.each([
    [{}, ['owner']],
    [{ owner: '' }, ['owner']],
    [{ owner: 'x'.repeat(65) }, ['owner']],
    // MySQL takes these for the owner or the domain "ann".
    [{ owner: 'ann ' }, ['owner']],
    [{ owner: 'bob', cache_domain: 'ann ' }, ['cache_domain']],
    [{ owner: 'ann\n', cache_domain: '\tann' }, ['owner', 'cache_domain']],
    [{ owner: 'a', scopes: ['submit', 'fly'] }, ['scopes']],
    [{ owner: 'a', urls: ['lab/x'] }, ['urls[0]']],
    [{ owner: 'a', expires: '2020-01-01T00:00:00Z' }, ['expires']],
    [{ owner: 'a', expires: 'soon' }, ['expires']],
    [{ owner: 'a', profile: 'x' }, ['profile']],
    [{ owner: 'a', buckets: ['b'] }, ['buckets']],
  ])('POST /v1/tokens refuses %j and names the field', async (rights, fields) => {
    const answer = await call('root-secret', 'POST', '/v1/tokens', rights);
    expect([answer.status, answer.json.problems.map(({ field }) => field)]).toEqual([400, fields]);
  });
});

test('a token whose stored owner or domain has spaces at its end is refused', async () => {
  const world = await startApiWorld({ tokens: ['root:root-secret'] });
  try {
    const answer = await world.call('POST', '/v1/tokens', { owner: 'ann' }, bearer('root-secret'));
    const { token } = jsonAs<Made>(answer);
    for (const [owner, cacheDomain] of [
      ['ann ', 'x'],
      ['x', 'ann '],
    ]) {
      // As one that an earlier version made.
      const access = { owner, cacheDomain, scopes: ['submit', 'read'], limits: {} };
      await world.database.pool.query('UPDATE tokens SET access = ?', [JSON.stringify(access)]);
      const { status, json } = await world.call('GET', '/v1/session', undefined, bearer(token));
      expect([status, json.message]).toEqual([
        401,
        expect.stringContaining('without white space at its ends'),
      ]);
    }
  } finally {
    await world.close();
  }
});

test('POST /v1/tokens is refused where no tokens are required', async () => {
  const world = await startApiWorld();
  try {
    const answer = await world.call('POST', '/v1/tokens', { owner: 'ann' });
    expect([answer.status, answer.json.message]).toEqual([
      409,
      expect.stringContaining('BATCHWELL_TOKENS'),
    ]);
  } finally {
    await world.close();
  }
});

test('a token that POSTs too often gets 429; GET, cancel and other tokens are not limited', async () => {
  const world = await startApiWorld({ tokens: ['ann:one', 'bob:two'], postsPerMinute: 3 });
  try {
    const post = (token: string) => world.call('POST', `${TES}/tasks`, simple, bearer(token));
    const answers = [await post('one'), await post('one'), await post('one'), await post('one')];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[3]?.json).toMatchObject({
      status_code: 429,
      message: expect.stringContaining('limit of 3 POST requests a minute'),
    });
    expect(Number(answers[3]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await post('two')).status).toBe(200);
    for (let n = 0; n < 10; n += 1)
      expect((await world.call('GET', `${TES}/tasks`, undefined, bearer('one'))).status).toBe(200);
    const id = answers[0]?.json.id ?? '';
    expect(
      (await world.call('POST', `${TES}/tasks/${id}:cancel`, undefined, bearer('one'))).status,
    ).toBe(200);
  } finally {
    await world.close();
  }
});

test('POSTs are not limited while Redis is unavailable', async () => {
  const world = await startApiWorld({
    tokens: ['ann:one'],
    postsPerMinute: 1,
    redisUrl: 'redis://127.0.0.1:1',
  });
  try {
    for (let n = 0; n < 3; n += 1)
      expect((await world.call('POST', `${TES}/tasks`, simple, bearer('one'))).status).toBe(200);
  } finally {
    await world.close();
  }
});

test('the API serves HTTPS when it has a key and a certificate', async () => {
  const at = (name: string) => new URL(`../fixtures/tls/${name}`, import.meta.url).pathname;
  const world = await startApiWorld();
  const settings = {
    ...readConfig({}),
    databaseUrl: world.config.databaseUrl,
    redisUrl: world.config.redisUrl,
    port: 0,
    logLevel: 'silent' as const,
  };
  const api = await startApi({ ...settings, tlsKey: at('key.pem'), tlsCert: at('cert.pem') });
  try {
    expect(api.url).toMatch(/^https:/);
    const ca = await readFile(at('cert.pem'));
    const status = await new Promise((resolve, reject) =>
      request(`${api.url}/readyz`, { ca, agent: false }, (reply) =>
        resolve(reply.resume().statusCode),
      )
        .on('error', reject)
        .end(),
    );
    expect(status).toBe(200);
    await expect(startApi({ ...settings, tlsKey: at('key.pem') })).rejects.toThrow(
      'BATCHWELL_TLS_CERT',
    );
    await expect(
      startApi({ ...settings, tlsKey: at('no.pem'), tlsCert: at('cert.pem') }),
    ).rejects.toThrow('BATCHWELL_TLS_KEY');
  } finally {
    await api.close();
    await world.close();
  }
});
