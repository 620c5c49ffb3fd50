import { describe, expect, test } from 'vitest';
import { whyFromElsewhere } from '../../core/access/other-sites.ts';

const why = (method: string, headers: Record<string, string>, isLocal = true) =>
  whyFromElsewhere({ method, headers }, isLocal);

describe('a request without a token', () => {
  test.each([
    'localhost:8000',
    'LOCALHOST',
    '127.0.0.1:8000',
    '[::1]:8000',
    '10.0.2.2:8000',
    'api',
    'api:8000',
    'host.docker.internal:8000',
    'batchwell.localhost',
    'batchwell.lab.svc.cluster.local:8000',
  ])('is answered under the name %s', (host) => expect(why('GET', { host })).toBeUndefined());

  test.each([
    'evil.example:8000',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'a.b.',
    '::1.x.y',
  ])('is refused under the name %s, which a page can have lead to this machine', (host) => {
    for (const method of ['GET', 'POST'])
      expect(why(method, { host })).toMatch(/answered under no public name/);
    expect(why('GET', { host }, false)).toBeUndefined();
  });

  test('is refused when its browser says that a page of another site sent it', () => {
    const host = '192.168.1.5:8000';
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: `http://${host}` },
      // Over plain HTTP to another machine, browsers send no sec-fetch-site.
      { origin: 'http://evil.example' },
      { origin: 'https://evil.example:8000' },
      { origin: 'http://192.168.1.5:9000' },
      { origin: 'http://192.168.1.5' },
      { origin: 'null' },
    ]) {
      expect(why('POST', { host, ...headers }, false)).toMatch(/page of another site/);
      expect(why('GET', { host, ...headers }, false)).toBeUndefined();
    }
  });

  test('is accepted from a program, from the page itself, and through a proxy', () => {
    const host = '127.0.0.1:8000';
    for (const headers of [
      {},
      { 'sec-fetch-site': 'same-origin', origin: 'https://bw.lab' },
      { 'sec-fetch-site': 'none' },
      { origin: 'http://127.0.0.1:8000' },
      { origin: 'http://bw.lab', 'x-forwarded-host': 'bw.lab' },
    ])
      expect(why('POST', { host, ...headers })).toBeUndefined();
  });
});
