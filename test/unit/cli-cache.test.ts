import { afterEach, expect, it } from 'vitest';
import { run, startFakeApi, type FakeApi } from './cli-world.ts';

let api: FakeApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

const explanation = 'GET /v1/tasks/task-1-aaaaaa/cache-explanation';
const MISS = [
  'Miss: input ref.fa changed (s3://lab/ref.fa, 27 Nov -> 28 Nov, 3.1 GB -> 3.1 GB)',
  '      environment THREADS: 4 -> 8',
  'Compared with task-3-cccccc (align, 27 Nov 2026 09:30:05)',
];

it('cache explain prints the reasons line by line, and the fingerprint only with --parts', async () => {
  api = await startFakeApi({
    [explanation]: {
      body: {
        explanation: MISS,
        verdict: 'A hit.',
        unreadable_inputs: [],
        components: { image: 'd1' },
      },
    },
  });
  const ran = await run(['cache', 'explain', 'task-1-aaaaaa'], { api });
  expect(ran.out).toBe(`${MISS.join('\n')}\nIf it were checked now: A hit.\n`);
  const whole = await run(['cache', 'explain', 'task-1-aaaaaa', '--parts'], { api });
  expect(whole.out).toContain('PART   DIGEST\nimage  d1\n');
});

it('cache explain with another task prints how the two differ', async () => {
  api = await startFakeApi({
    [explanation]: {
      body: {
        explanation: ['Miss: no earlier task is like it'],
        verdict: 'A miss.',
        unreadable_inputs: [],
        differences: [{ part: 'x', brief: 'image changed', says: 'image: debian:12 -> debian:13' }],
      },
    },
  });
  const ran = await run(['cache', 'explain', 'task-1-aaaaaa', 'task-2-dddddd'], { api });
  expect(ran.out).toBe('image: debian:12 -> debian:13\n');
  expect(api.asked[0]!.path).toContain('?other=task-2-dddddd');
  const diff = await run(['cache', 'diff', 'task-1-aaaaaa', 'task-2-dddddd'], { api });
  expect(diff.out).toBe('image: debian:12 -> debian:13\n');
});

it('cache explain names the inputs that are not identified, and why an entry is no longer usable', async () => {
  api = await startFakeApi({
    [explanation]: {
      body: {
        explanation: ['Not cached: input /in/a does not exist'],
        unreadable_inputs: ['s3://b/gone'],
        verdict: 'It cannot be cached.',
        entry: { task: 'task-3-cccccc', valid: false, invalid_reason: 's3://b/x is gone.' },
      },
    },
  });
  expect((await run(['cache', 'explain', 'task-1-aaaaaa'], { api })).out).toBe(
    'Not cached: input /in/a does not exist\nIf it were checked now: It cannot be cached.\n' +
      '  not identified: s3://b/gone\n  entry of task-3-cccccc: s3://b/x is gone.\n',
  );
});

it('cache explain of a scatter prints a line per group', async () => {
  api = await startFakeApi({
    'GET /v1/scatters/scatter-1-bbbbbb/cache-explanation': {
      body: { explanation: ['9,812 of 10,000: input ref.fa changed', '188 of 10,000: hit'] },
    },
  });
  expect((await run(['cache', 'explain', 'scatter-1-bbbbbb'], { api })).out).toBe(
    '9,812 of 10,000: input ref.fa changed\n188 of 10,000: hit\n',
  );
});

it('cache diff --cromwell prints the JSON of Cromwell’s callcaching diff', async () => {
  const body = { callA: {}, callB: {}, hashDifferential: [{ hashKey: 'command template' }] };
  api = await startFakeApi({ 'GET /v1/cache/diff': { body } });
  const ran = await run(['cache', 'diff', 'task-1-aaaaaa', 'task-2-dddddd', '--cromwell'], { api });
  expect(JSON.parse(ran.out)).toEqual(body);
  expect(api.asked[0]!.path).toBe('/v1/cache/diff?a=task-1-aaaaaa&b=task-2-dddddd');
});

it('cache invalidate only counts unless --yes is given, and needs a reason and one choice', async () => {
  const examples = [{ task: 'task-1-aaaaaa', name: 'align' }];
  api = await startFakeApi({
    'POST /v1/cache:invalidate': [
      { body: { entries: 2, dry_run: true, examples } },
      { body: { entries: 2, dry_run: false, examples } },
    ],
  });
  const words = ['cache', 'invalidate', '--name', 'align', '--reason', 'a wrong reference'];
  expect((await run(words, { api })).out).toBe(
    'TASK           NAME\ntask-1-aaaaaa  align\n2 entries would be invalidated. Add --yes to do it.\n',
  );
  expect((await run([...words, '--yes'], { api })).out).toBe('2 entries invalidated.\n');
  expect(api.asked.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
    { reason: 'a wrong reference', name: 'align', dry_run: true },
    { reason: 'a wrong reference', name: 'align', dry_run: false },
  ]);
  expect(await run(['cache', 'invalidate', '--reason', 'x'], { api })).toMatchObject({ code: 2 });
  expect(await run(['cache', 'invalidate', '--name', 'x'], { api })).toMatchObject({ code: 2 });
});

it('cache prune says how many entries it would delete, and which kind must be given', async () => {
  api = await startFakeApi({
    'POST /v1/cache:prune': { body: { entries: 1, dry_run: true, examples: [] } },
  });
  expect((await run(['cache', 'prune', '--unused-days', '90'], { api })).out).toBe(
    '1 entry would be deleted. Add --yes to do it.\n',
  );
  expect(JSON.parse(api.asked[0]!.body)).toEqual({ unused_days: 90, dry_run: true });
  expect(await run(['cache', 'prune'], { api })).toMatchObject({ code: 2 });
});

it('cache stats prints what hits saved, by task name', async () => {
  const saved = { hits: 1200, vcpu_hours: 4300.4, gib_hours: 8.5, copied_bytes: 3.1e9 };
  api = await startFakeApi({
    'GET /v1/cache/stats': {
      body: { entries: 5, unusable_entries: 1, saved, by_name: [{ name: 'align #', ...saved }] },
    },
  });
  const { out } = await run(['cache', 'stats'], { api });
  expect(out).toContain('vCPU-hours saved  4300\n');
  expect(out).toMatch(/align # +1,200 +4300 +8\.50 +3\.1 GB\n$/);
});

it('cache list, show, and export print entries', async () => {
  const entry = {
    task: 'task-1-aaaaaa',
    name: 'align',
    created: '2026-11-28T10:00:00Z',
    usable: false,
    invalid_reason: 's3://b/x no longer exists.',
    run_seconds: 90,
    hits: 3,
  };
  api = await startFakeApi({
    'GET /v1/cache/entries': { body: { entries: [entry] } },
    'GET /v1/cache/entries/task-1-aaaaaa': {
      body: {
        ...entry,
        warnings: [],
        hidden_outputs: 0,
        outputs: [{ url: 's3://b/x', path: '', size_bytes: 2048 }],
      },
    },
    'GET /v1/cache/export': { body: { entries: [entry] } },
  });
  // A table breaks between words where the terminal is narrow.
  expect((await run(['cache', 'list', '--unusable'], { api })).out).toMatch(
    /s3:\/\/b\/x no longer\s+exists\./,
  );
  expect(api.asked[0]!.path).toBe('/v1/cache/entries?usable=false&page_size=50');
  expect((await run(['cache', 'show', 'task-1-aaaaaa'], { api })).out).toMatch(
    /run +1 min 30 s\n[\s\S]*2\.0 kB {2}s3:\/\/b\/x\n/,
  );
  const lines = (await run(['cache', 'export'], { api })).out;
  expect(lines).toBe(`${JSON.stringify(entry)}\n`);
});

it('submit --dry-run submits nothing, and says what the cache would do', async () => {
  api = await startFakeApi({
    'POST /v1/tasks:validate': {
      body: {
        warnings: ['VmSize is not used.'],
        queue: 'fast',
        client: 'generic',
        cache: { explanation: MISS },
      },
    },
  });
  const ran = await run(['submit', '-', '--dry-run'], { api, stdin: '{}' });
  expect(ran.out).toBe(
    `queue    fast\nclient   generic\nwarning  VmSize is not used.\n${MISS.join('\n')}\n`,
  );
  expect(api.asked.map(({ path }) => path)).toEqual(['/v1/tasks:validate']);
});
