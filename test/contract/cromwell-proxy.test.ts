/** The Cromwell proxy's other routes, and its command. */
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { freePort } from '../../cli/services/ports.ts';
import { run } from '../unit/cli-world.ts';
import { TASKS, useProxyWorld } from './cromwell-proxy-world.ts';

const world = useProxyWorld();

describe('all other routes of the Cromwell proxy', () => {
  test('list, service-info and cancel are passed on, with the token when the caller has none', async () => {
    await world.open(
      {
        [`GET ${TASKS}`]: { body: { tasks: [] } },
        'GET /ga4gh/tes/v1/service-info': { body: { id: 'x' } },
        [`POST ${TASKS}/task-1:cancel`]: { body: {} },
      },
      { token: 'ours' },
    );
    expect((await world.ask('GET', `${TASKS}?view=BASIC&page_size=3`)).body).toEqual({ tasks: [] });
    expect((await world.ask('GET', '/ga4gh/tes/v1/service-info')).body).toEqual({ id: 'x' });
    expect(await world.ask('POST', `${TASKS}/task-1:cancel`, '')).toEqual({
      status: 200,
      body: {},
    });
    expect(world.api.asked.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      [`${TASKS}?view=BASIC&page_size=3`, 'Bearer ours'],
      ['/ga4gh/tes/v1/service-info', 'Bearer ours'],
      [`${TASKS}/task-1:cancel`, 'Bearer ours'],
    ]);
  });

  test('the token is not lent to a page of a browser', async () => {
    await world.open({}, { token: 'ours' });
    for (const headers of [
      { origin: 'http://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example:8001' },
    ]) {
      const status = await new Promise((resolve, reject) => {
        request(world.url + TASKS, { method: 'POST', headers, agent: false }, (reply) =>
          resolve(reply.resume().statusCode),
        )
          .on('error', reject)
          .end('{"executors":[{"image":"i","command":["x"]}]}');
      });
      expect([headers, status]).toEqual([headers, 403]);
    }
    expect(world.api.asked).toEqual([]);
  });

  test('other routes of the API are out of reach: the token opens tasks only', async () => {
    await world.open({}, { token: 'ours' });
    for (const path of [
      '/v1/tokens',
      '/ga4gh/tes/v1/..%2f..%2f..%2fv1/tokens',
      `${TASKS}/..%2f..%2fv1%2ftokens:cancel`,
    ])
      await world.ask('GET', path);
    expect(
      world.api.asked.map(({ path }) => path).filter((path) => !path.startsWith(`${TASKS}/..%2F`)),
    ).toEqual([]);
  });

  test('the token is not used for callers on an address other than loopback', async () => {
    await world.open(
      { [`GET ${TASKS}`]: { body: { tasks: [] } } },
      { token: 'ours', host: '0.0.0.0' },
    );
    await world.ask('GET', TASKS);
    expect(world.api.asked[0]?.headers.authorization).toBeUndefined();
  });
});

test.each([
  [['--map', 'nowhere'], 'expected /path=s3://bucket/prefix'],
  [[], '--map is missing'],
  [['--map', '/no/such/root=s3://lab/x'], 'The root /no/such/root cannot be read'],
  [['--map', '/tmp=s3://lab/x', '--map', '/usr=s3://lab/x/y'], 'in S3 overlap'],
  [['--map', '/tmp=s3://no-such-bucket/x'], 'NoSuchBucket'],
  [['--map', '/tmp=s3://lab/x', '--url', 'ftp://x'], '--url ftp://x: expected a URL'],
])('the command cromwell-proxy %j reports the error and starts nothing', async (words, said) => {
  const ran = await run(['cromwell-proxy', '--port', String(await freePort()), ...words], {
    environment: { BATCHWELL_LOG_LEVEL: 'silent', BATCHWELL_S3_PATH_STYLE: 'yes' },
  });
  expect(ran).toMatchObject({ code: 2, out: '' });
  expect(ran.err).toContain(said);
});
