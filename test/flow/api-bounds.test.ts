/** What the API refuses so that one request, or many at once, cannot end it. */
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { startApiWorld } from '../api-world.ts';

const MIB = 1024 ** 2;
const world = await startApiWorld({ bodyBytes: 8 * MIB, bodyIdleMs: 1500 });
afterAll(() => world.close());

const task = { executors: [{ image: 'alpine', command: ['true'] }] };
const NDJSON = { 'content-type': 'application/x-ndjson' };

interface Reply {
  status: number;
  headers: IncomingMessage['headers'];
  json: { status_code: number; message: string };
}

async function replyOf(request: ClientRequest): Promise<Reply> {
  request.on('error', () => undefined);
  const [reply] = (await once(request, 'response')) as [IncomingMessage];
  const body = await text(reply);
  return { status: reply.statusCode ?? 0, headers: reply.headers, json: JSON.parse(body) };
}

const send = (path: string, headers: Record<string, string>, method = 'POST'): ClientRequest =>
  httpRequest(world.url + path, { method, headers, agent: false });

const heldBytes = async (): Promise<string | undefined> =>
  /^batchwell_body_bytes (\d+)$/m.exec((await world.call('GET', '/metrics')).text)?.[1];
const noneHeld = async (): Promise<void> => {
  await expect.poll(heldBytes, { timeout: 10_000 }).toBe('0');
};

/** A scatter whose body has about so many bytes, most of them in texts. */
const scatterOf = (bytes: number): Buffer => {
  const line = `${JSON.stringify({ ...task, description: 'd'.repeat(10_000) })}\n`;
  return Buffer.from(line.repeat(Math.floor(bytes / line.length)));
};

describe('bodies under way', () => {
  test('a body without room gets 503 and when to try again, small ones get through, and room comes back', async () => {
    const body = scatterOf(6 * MIB);
    const first = send('/v1/scatters', { ...NDJSON, 'content-length': String(body.length) });
    first.write(body.subarray(0, MIB));
    await expect.poll(heldBytes).toBe(String(body.length));

    const second = send('/v1/scatters', { ...NDJSON, 'content-length': String(body.length) });
    second.flushHeaders();
    const refused = await replyOf(second);
    expect(refused).toMatchObject({ status: 503, json: { status_code: 503 } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.json.message).toContain('Try again in');
    // In chunks its length is not known: it is refused once it has no more room.
    const chunked = send('/v1/scatters', NDJSON);
    for (let start = 0; start < body.length; start += MIB)
      chunked.write(body.subarray(start, start + MIB));
    chunked.end();
    expect(await replyOf(chunked)).toMatchObject({ status: 503, json: { status_code: 503 } });

    expect((await world.call('POST', '/v1/tasks', task)).status).toBe(200);
    first.end(body.subarray(MIB));
    expect((await replyOf(first)).status).toBe(200);
    await noneHeld();
    const again = send('/v1/scatters', { ...NDJSON, 'content-length': String(body.length) });
    again.end(body);
    expect((await replyOf(again)).status).toBe(200);
  });

  test('a sender that goes away gives back its room', async () => {
    const gone = send('/v1/scatters', { ...NDJSON, 'content-length': String(6 * MIB) });
    gone.on('error', () => undefined);
    gone.write(scatterOf(MIB));
    await expect.poll(heldBytes).toBe(String(6 * MIB));
    gone.destroy();
    await noneHeld();
  });

  test('a body that alone is larger than all room is 413, not a 503 for ever', async () => {
    const body = scatterOf(9 * MIB);
    const request = send('/v1/scatters', { ...NDJSON, 'content-length': String(body.length) });
    request.end(body);
    expect(await replyOf(request)).toMatchObject({ status: 413, json: { status_code: 413 } });
    await noneHeld();
  });

  test.each([
    [
      'a small JSON body',
      '/v1/tasks',
      { 'content-type': 'application/json', 'content-length': '100' },
    ],
    [
      'a large JSON body',
      '/v1/scatters',
      { 'content-type': 'application/json', 'content-length': String(2 * MIB) },
    ],
    ['lines', '/v1/scatters', NDJSON],
  ])('%s of which nothing comes any more gets 408', async (_, path, headers) => {
    const request = send(path, headers);
    request.write('{"executors"');
    expect(await replyOf(request)).toMatchObject({ status: 408, json: { status_code: 408 } });
    await noneHeld();
  });

  test('a compressed body is 415 and says what to send', async () => {
    const request = send('/v1/tasks', {
      'content-type': 'application/json',
      'content-encoding': 'gzip',
    });
    request.end(gzipSync(JSON.stringify(task)));
    const { status, json } = await replyOf(request);
    expect(status).toBe(415);
    expect(json.message).toContain('without compression');
  });
});

test.runIf(isLong)(
  'a scatter with a key and 600 MB of filled in text is accepted, and recognised when it comes again',
  async () => {
    const rows = Array.from({ length: 1000 }, (_, a) => ({ a }));
    const long = Array.from({ length: 6 }, () => 'x'.repeat(100_000));
    const template = { executors: [{ image: 'a', command: ['echo', ...long, '{{a}}'] }] };
    const post = (name: string) =>
      world.call('POST', '/v1/scatters', { name, template, rows }, { 'idempotency-key': 'wide' });
    const first = await post('one');
    expect(first.status).toBe(200);
    expect((await post('one')).json.id).toBe(first.json.id);
    expect((await post('two')).status).toBe(409);
  },
  60_000,
);

describe('tags of a scatter', () => {
  const tags = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 'v']));

  test('a scatter has as many tags as a task, together with those of its tasks', async () => {
    const rows = [{ a: 1 }];
    const post = (own: number, ofTask: number) =>
      world.call('POST', '/v1/scatters', {
        tags: tags(own),
        template: {
          ...task,
          tags: Object.fromEntries(Object.entries(tags(ofTask)).map(([key]) => [`t${key}`, 'v'])),
        },
        rows,
      });
    expect((await post(256, 0)).status).toBe(200);
    const many = await post(400, 0);
    expect(many).toMatchObject({ status: 400, json: { problems: [{ field: 'tags' }] } });
    expect((await post(200, 100)).status).toBe(400);
    const query = Array.from({ length: 300 }, (_, at) => `tag=k${at}:v`).join('&');
    expect(
      (await world.call('POST', `/v1/scatters?${query}`, JSON.stringify(task), NDJSON)).status,
    ).toBe(400);
  });

  test('250 tags on 10,000 rows are refused with one sentence', async () => {
    const rows = Array.from({ length: 10_000 }, (_, a) => ({ a }));
    const answer = await world.call('POST', '/v1/scatters', {
      tags: tags(250),
      template: task,
      rows,
    });
    expect(answer.status).toBe(400);
    expect(answer.json.problems).toHaveLength(1);
    expect(answer.json.message).toContain('500000 tags');
  });
});

test.runIf(isLong)(
  'a scatter of more than ten million arguments is refused with one sentence',
  async () => {
    const line = `{"executors":[{"image":"a","command":[${Array.from({ length: 100_000 }, () => '"a"').join()}]}]}\n`;
    const { status, json } = await world.call('POST', '/v1/scatters', line.repeat(18), NDJSON);
    expect(status).toBe(200);
    expect(json.tasks).toBe(18);
    const template = {
      executors: [{ image: 'a', command: Array.from({ length: 100_000 }, () => 'a') }],
    };
    const rows = Array.from({ length: 101 }, (_, a) => ({ a }));
    const refused = await world.call('POST', '/v1/scatters', { template, rows });
    expect(refused.status).toBe(400);
    expect(refused.json.message).toContain('10000000 texts of all tasks together');
    expect(refused.json.problems).toHaveLength(1);
  },
  60_000,
);

describe('JSON that is nested too deep', () => {
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  test.each([
    '/v1/tasks',
    '/v1/scatters',
    '/v1/tasks:validate',
    '/ga4gh/tes/v1/tasks',
    '/v1/webhooks',
  ])('POST %s refuses it with the sentence of the API', async (path) => {
    for (const levels of [70, 100_000]) {
      const body = `{"executors":${deep(levels)},"template":${deep(levels)},"rows":[{}]}`;
      const { status, json } = await world.call('POST', path, body);
      expect(status).toBe(400);
      expect(json.message).toContain('levels of nesting');
    }
  });

  test('a line of a scatter is refused by its number', async () => {
    const lines = `${JSON.stringify(task)}\n{"tags":${deep(100_000)}}`;
    const { status, json } = await world.call('POST', '/v1/scatters', lines, NDJSON);
    expect(status).toBe(400);
    expect(json.problems).toMatchObject([{ line: 2, expected: 'at most 64 levels of nesting' }]);
  });
});

describe('requests that are not as HTTP or the routes expect', () => {
  test.each([
    ['GET', `/v1/tasks/${'x'.repeat(2000)}`],
    ['GET', `/ga4gh/tes/v1/tasks/${'x'.repeat(600)}`],
    ['POST', `/v1/scatters/${'x'.repeat(2000)}:cancel`],
    ['GET', '/v1/tasks/%zz'],
    ['GET', '/v1/tasks/%ff'],
    ['GET', '/nope'],
    ['PUT', '/v1/tasks'],
    ['DELETE', '/v1/scatters'],
    ['PATCH', '/'],
    ['POST', '/v1/tasks/task-1-000000'],
    ['OPTIONS', '/v1/tasks'],
    ['GET', `/v1/tasks?page_token=${'x'.repeat(5000)}`],
    ['GET', `/v1/tasks?page_size=99999999999999999999`],
  ])('%s %s is refused in the form of the API', async (method, path) => {
    const request = send(path, {}, method);
    request.end();
    const { status, headers, json } = await replyOf(request);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(json).toMatchObject({ status_code: status, message: expect.any(String) });
    expect(Object.keys(json)).not.toContain('statusCode');
  });

  const wire = async (sent: string): Promise<{ head: string; body: string }> => {
    const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
    socket.end(sent);
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
    return { head, body };
  };

  test.each([
    [
      'headers of 100 kB',
      431,
      `GET /v1/tasks HTTP/1.1\r\nhost: a\r\nx-a: ${'a'.repeat(100_000)}\r\n\r\n`,
    ],
    [
      'a query of 100 kB',
      431,
      `GET /v1/tasks?tag_key=${'a'.repeat(100_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
    ],
    ['what is no HTTP', 400, 'hello\r\n\r\n'],
    ['a method that no HTTP has', 400, 'NOPE /v1/tasks HTTP/1.1\r\nhost: a\r\n\r\n'],
  ])('%s gets %i in the form of the API', async (_, status, sent) => {
    const { head, body } = await wire(sent);
    expect(head).toContain(`HTTP/1.1 ${status}`);
    expect(head).toContain('application/json');
    expect(JSON.parse(body)).toMatchObject({ status_code: status });
  });

  test('a task of 3 MiB is validated as it is created', async () => {
    const ofSize = (bytes: number) => ({
      ...task,
      inputs: Array.from({ length: bytes / 100_000 }, (_, at) => ({
        path: `/in/${at}`,
        content: 'x'.repeat(100_000),
      })),
    });
    const large = ofSize(3 * MIB);
    expect((await world.call('POST', '/v1/tasks', large)).status).toBe(200);
    expect((await world.call('POST', '/v1/tasks:validate', large)).status).toBe(200);
    const larger = ofSize(5 * MIB);
    expect((await world.call('POST', '/v1/tasks:validate', larger)).status).toBe(413);
  });

  test('a list by 70 tags is answered', async () => {
    const query = Array.from({ length: 70 }, (_, at) => `tag_key=k${at}&tag_value=v`).join('&');
    expect((await world.call('GET', `/v1/tasks?${query}`)).status).toBeLessThan(500);
  });
});
