import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serveControl } from '../control.ts';
import { createFaults } from '../faults.ts';
import { startHttpServer, type HttpServer } from '../http-server.ts';
import { createLedger } from '../ledger.ts';

describe('the control surface of the local AWS', () => {
  const ledger = createLedger();
  const faults = createFaults();
  let server: HttpServer;

  beforeEach(async () => {
    ledger.reset();
    faults.clear();
    server = await startHttpServer(async (request, response) => {
      if (
        await serveControl(
          { service: 's3', ledger, faults, health: () => ({ objects: 3 }) },
          request,
          response,
        )
      )
        return;
      response.writeHead(418).end();
    });
  });
  afterEach(() => server.close());

  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${server.url}/_local/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: JSON.parse(await answer.text()) };
  };

  it('reports the server’s health and leaves other paths to the service', async () => {
    expect(await ask('GET', 'health')).toEqual({
      status: 200,
      body: { service: 's3', objects: 3 },
    });
    expect((await fetch(`${server.url}/bucket/_local/health`)).status).toBe(418);
    expect((await ask('GET', 'nothing')).status).toBe(404);
  });

  it('answers no page of a browser, under its own name or under a name that leads here', async () => {
    const statusOf = (method: string, headers: Record<string, string>): Promise<unknown> =>
      new Promise((resolve, reject) => {
        request(server.url, { method, headers, agent: false }, (answer) =>
          resolve(answer.resume().statusCode),
        )
          .on('error', reject)
          .end();
      });
    const port = `:${server.port}`;
    for (const headers of [
      { origin: 'http://evil.example' },
      { origin: 'null', 'content-type': 'text/plain' },
      { host: `evil.example${port}` },
      { host: `127.0.0.1.evil.example${port}` },
    ])
      expect([headers, await statusOf('POST', headers)]).toEqual([headers, 403]);
    expect(await statusOf('GET', { host: `evil.example${port}` })).toBe(403);
    for (const host of ['localhost', `bucket.localhost${port}`, `[::1]${port}`, 'local-aws'])
      expect([host, await statusOf('POST', { host })]).toEqual([host, 418]);
    expect(await statusOf('GET', { origin: 'http://127.0.0.1:8000' })).toBe(418);
  });

  it('sets faults from JSON, all or none, and removes them', async () => {
    const rule = { service: 's3', operation: 'PutObject', kind: 'throttle' };
    expect((await ask('POST', 'faults', [rule, { ...rule, id: 'second' }])).status).toBe(200);
    const refused = await ask('POST', 'faults', [rule, { ...rule, kind: 'explode' }]);
    expect(refused.status).toBe(400);
    expect(refused.body.problems[0]).toMatch(/^rule 1: kind: expected one of error, throttle/);
    expect(faults.list()).toHaveLength(2);
    expect((await ask('DELETE', 'faults?id=second')).body).toHaveLength(1);
    expect((await ask('DELETE', 'faults?id=second')).status).toBe(404);
    expect((await ask('DELETE', 'faults')).body).toEqual([]);
    expect((await ask('GET', 'faults')).body).toEqual([]);
  });

  it('returns and resets the ledger', async () => {
    ledger.request({ service: 's3', operation: 'PutObject', status: 200, durationMs: 1 });
    ledger.start({ jobId: 'a', name: 'bw-1', attempt: 1 });
    const { body } = await ask('GET', 'ledger?starts=all');
    expect(body.summary.requests['s3.PutObject'].count).toBe(1);
    expect(body.recent[0].operation).toBe('PutObject');
    expect(body.starts[0].jobId).toBe('a');
    expect((await ask('GET', 'ledger')).body.starts).toBeUndefined();
    expect((await ask('DELETE', 'ledger')).body.requestsTotal).toBe(0);
  });

  it('closes at once even if a client keeps its connection open', async () => {
    await ask('GET', 'health');
    await server.close();
    await expect(ask('GET', 'health')).rejects.toThrow('fetch failed');
  });
});
