import { describe, expect, test } from 'vitest';
import { isAllowedUrl, isOriginRule } from '../../core/access/origins.ts';
import type { ScatterSummary } from '../../core/scatter/scatter-view.ts';
import type { ReportedTask } from '../../core/notify/task-event.ts';
import {
  composeDeliveries,
  decideDelivery,
  type WebhookWants,
} from '../../core/notify/webhooks.ts';

describe('allowed origins', () => {
  const rules = [
    'https://hooks.example.org',
    'https://*.partner.net:8443',
    'http://127.0.0.1:9000',
  ];

  test.each([
    'https://hooks.example.org/a?b=c',
    'https://HOOKS.example.org',
    'https://a.partner.net:8443/x',
    'https://a.b.partner.net:8443',
    'https://hooks.example.org\\@evil.net',
    'http://127.0.0.1:9000/',
  ])('the URL %s is allowed', (url) => expect(isAllowedUrl(url, rules)).toBe(true));

  test.each([
    'http://hooks.example.org/',
    'https://hooks.example.org:444/',
    'https://hooks.example.org.evil.net/',
    'https://evil.net/https://hooks.example.org',
    'https://partner.net:8443/',
    'https://evilpartner.net:8443/',
    'https://a.partner.net/',
    'https://user@hooks.example.org/',
    'https://hooks.example.org@evil.net/',
    'http://127.0.0.1:9001/',
    'http://169.254.169.254/',
    'file:///etc/passwd',
    'https://evil.net#.partner.net:8443',
    'https://evil.net?.partner.net:8443',
    '',
    'hooks.example.org',
  ])('the URL %s is not allowed', (url) => expect(isAllowedUrl(url, rules)).toBe(false));

  test.each([
    'https://hooks.example.org',
    'https://*.example.org',
    'http://127.0.0.1:9000',
    'https://[::1]:80',
  ])('%s is a valid origin rule', (rule) => expect(isOriginRule(rule)).toBe(true));
  test.each([
    'hooks.example.org',
    'https://hooks.example.org/',
    'https://hooks.example.org/path',
    'ftp://a.b',
    'https://*',
    'https://a.*.b',
    '*',
    'https://u:p@a.b',
  ])('%s is not a valid origin rule', (rule) => expect(isOriginRule(rule)).toBe(false));
});

describe('the answer to a delivery', () => {
  test.each([200, 204, 299])('the answer %i completes a delivery', (status) =>
    expect(decideDelivery({ status }, 1, 0)).toEqual({
      do: 'delivered',
      outcome: `answered ${status}`,
    }),
  );

  test('any other answer is retried, after pauses that grow to hours, ten times in about a day', () => {
    const decisions = Array.from({ length: 10 }, (_, made) =>
      decideDelivery({ status: 500 }, made + 1, 0.5),
    );
    const pauses = decisions.flatMap((decision) =>
      decision.do === 'again' ? [decision.pauseMs] : [],
    );
    expect([pauses.length, decisions[9]]).toEqual([9, { do: 'dead', outcome: 'answered 500' }]);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(pauses.reduce((sum, ms) => sum + ms, 0) / 3_600_000).toBeCloseTo(25, 0);
  });

  test('a redirect is not followed, a missing answer gives its cause, and 410 ends the deliveries', () => {
    expect(decideDelivery({ status: 302 }, 1, 0)).toMatchObject({
      do: 'again',
      outcome: 'answered 302: redirects are not followed',
    });
    expect(decideDelivery({ trouble: 'ECONNREFUSED' }, 10, 0)).toEqual({
      do: 'dead',
      outcome: 'ECONNREFUSED',
    });
    expect(decideDelivery({ status: 410 }, 1, 0)).toMatchObject({ do: 'dead' });
  });
});

describe('the deliveries of ended tasks', () => {
  const told = (id: number, owner: string, tags: Record<string, string> = {}): ReportedTask => ({
    id,
    owner,
    createdMs: 1,
    profile: 'generic',
    place: 'done',
    running: false,
    name: `t${id}`,
    tags,
    attempt: 1,
    sinceMs: 5,
    hit: false,
  });
  const scatter = (id: string, tags: Record<string, string> = {}) =>
    ({ id, name: 'wide', tags, ended: true }) as ScatterSummary;
  const hook = (id: number, owner: string, wants: Partial<WebhookWants> = {}) => ({
    id,
    owner,
    wants: { events: ['tasks.ended' as const, 'scatter.ended' as const], tags: {}, ...wants },
  });
  const ends = {
    tasks: [told(1, 'ann', { run: 'a' }), told(2, 'ann'), told(3, 'bob')],
    scatters: [{ owner: 'ann', scatter: scatter('scatter-1', { run: 'a' }) }],
    place: 7,
    nowMs: 0,
  };
  const shown = (hooks: ReturnType<typeof hook>[]) =>
    composeDeliveries(hooks, ends).map(({ webhookId, subject, body }) => {
      const { type, data } = JSON.parse(body);
      return [
        webhookId,
        subject,
        type,
        data.tasks?.map(({ name }: { name: string }) => name) ?? data.id,
      ];
    });

  test('each webhook receives its owner’s tasks only, with the tags and events that it asked for', () => {
    expect(
      shown([
        hook(1, 'ann'),
        hook(2, 'ann', { tags: { run: '' } }),
        hook(3, 'ann', { events: ['tasks.ended'], tags: { run: 'b' } }),
        hook(4, 'bob', { events: ['scatter.ended'] }),
        hook(5, 'bob'),
      ]),
    ).toEqual([
      [1, 'changes-7-0', 'tasks.ended', ['t1', 't2']],
      [1, 'scatter-1', 'scatter.ended', 'scatter-1'],
      [2, 'changes-7-0', 'tasks.ended', ['t1']],
      [2, 'scatter-1', 'scatter.ended', 'scatter-1'],
      [5, 'changes-7-0', 'tasks.ended', ['t3']],
    ]);
  });

  test('a delivery holds at most a hundred tasks', () => {
    const many = composeDeliveries([hook(1, 'ann')], {
      ...ends,
      tasks: Array.from({ length: 250 }, (_, id) => told(id, 'ann')),
      scatters: [],
    });
    expect(many.map(({ subject, body }) => [subject, JSON.parse(body).data.tasks.length])).toEqual([
      ['changes-7-0', 100],
      ['changes-7-1', 100],
      ['changes-7-2', 50],
    ]);
  });

  test('a delivery of tasks with the longest tags stays far below what a row holds', () => {
    const tags = Object.fromEntries(
      Array.from({ length: 256 }, (_, at) => [`${'標'.repeat(120)}${at}`, '籤'.repeat(255)]),
    );
    const many = composeDeliveries([hook(1, 'ann')], {
      ...ends,
      tasks: Array.from({ length: 100 }, (_, id) => told(id, 'ann', tags)),
      scatters: [],
    });
    expect(Math.max(...many.map(({ body }) => Buffer.byteLength(body)))).toBeLessThan(2_000_000);
    const names = many.flatMap(({ body }) =>
      (JSON.parse(body).data.tasks as { name: string }[]).map(({ name }) => name),
    );
    expect(names).toEqual(Array.from({ length: 100 }, (_, id) => `t${id}`));
    expect(new Set(many.map(({ subject }) => subject)).size).toBe(many.length);
  });
});
