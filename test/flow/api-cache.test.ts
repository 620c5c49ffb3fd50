/** The call cache by the API: entries, what they saved, and differences of tasks. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprintOf } from '../../core/cache/fingerprint.ts';
import { parseId } from '../../core/ids.ts';
import { addSavings } from '../../db/cache-savings.ts';
import { saveEntries } from '../../db/call-cache.ts';
import { endTasks } from '../accept.ts';
import { jsonAs, startApiWorld, type Answer, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
const ids: string[] = [];
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const call = (method: string, path: string, body?: unknown, token = 'ann'): Promise<Answer> =>
  world.call(method, path, body, bearer(`${token}-secret`));

const task = (name: string, command: string) => ({
  name,
  inputs: [{ url: 's3://data/in', path: '/in' }],
  outputs: [{ url: `s3://data/out/${name}`, path: '/out' }],
  executors: [{ image: 'alpine:3', command: ['sh', '-c', command] }],
});

beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:ann-secret', 'bob:bob-secret'] });
  for (const [name, command] of [
    ['align', 'set -e\nalign'],
    ['sort', 'set -e\nalign\nsort'],
  ] as const)
    ids.push((await call('POST', '/v1/tasks', task(name, command))).json.id);
  await endTasks(world.database, ids);
  const entries = ids.map((id, at) => ({
    domain: 'ann',
    fingerprint: Buffer.alloc(32, at),
    listedFingerprint: Buffer.alloc(32, at),
    taskId: parseId('task', id)?.key ?? 0,
    owner: 'ann',
    name: ['align', 'sort'][at] ?? '',
    runMs: 3_600_000,
    warnings: [],
    outputs: [
      {
        output: 0,
        path: '',
        url: `s3://data/out/${at}`,
        sizeBytes: 5,
        crc64nvme: 'x',
        etag: '',
        versionId: null,
      },
    ],
  }));
  await saveEntries(world.database, entries, Date.now());
  const saving = { owner: 'ann', hits: 3, vcpuMs: 7_200_000, gibMs: 3_600_000, copiedBytes: 15 };
  await addSavings(world.database.pool, [{ ...saving, name: 'align #' }], Date.now());
  await addSavings(world.database.pool, [{ ...saving, name: 'align #' }], Date.now());
});
afterAll(() => world.close());

test('GET /v1/cache/entries lists the entries of the caller alone, and shows one with its outputs', async () => {
  const list = await call('GET', '/v1/cache/entries');
  expect(jsonAs<{ entries: object[] }>(list).entries).toMatchObject([
    { task: ids[1], name: 'sort', usable: true, run_seconds: 3600, hits: 0 },
    { task: ids[0], name: 'align' },
  ]);
  expect(jsonAs(await call('GET', '/v1/cache/entries', undefined, 'bob'))).toEqual({ entries: [] });
  expect(jsonAs(await call('GET', `/v1/cache/entries/${ids[0]}`))).toMatchObject({
    outputs: [{ url: 's3://data/out/0', size_bytes: 5 }],
    hidden_outputs: 0,
  });
  expect((await call('GET', `/v1/cache/entries/${ids[0]}`, undefined, 'bob')).status).toBe(404);
  const exported = jsonAs<{ entries: object[] }>(await call('GET', '/v1/cache/export?page_size=1'));
  expect(exported).toMatchObject({ entries: [{ task: ids[1] }], next_page_token: /./ });
});

test('GET /v1/cache/stats adds up what hits saved', async () => {
  expect(jsonAs(await call('GET', '/v1/cache/stats'))).toMatchObject({
    entries: 2,
    saved: { hits: 6, vcpu_hours: 4, gib_hours: 2, copied_bytes: 30 },
    by_name: [{ name: 'align #', hits: 6 }],
  });
});

test('GET /v1/cache/diff has the form of Cromwell’s callcaching diff', async () => {
  const diff = await call('GET', `/v1/cache/diff?a=${ids[1]}&b=${ids[0]}`);
  const hash = expect.stringMatching(/^[0-9A-F]{32}$/) as string;
  expect(jsonAs(diff)).toEqual({
    callA: {
      executionStatus: 'Done',
      allowResultReuse: true,
      callFqn: 'sort',
      jobIndex: -1,
      workflowId: ids[1],
    },
    callB: expect.objectContaining({ callFqn: 'align' }) as object,
    hashDifferential: [{ hashKey: 'command template', callA: hash, callB: hash }],
  });
  const explained = await call('GET', `/v1/tasks/${ids[1]}/cache-explanation?other=${ids[0]}`);
  expect(jsonAs<{ differences: object[] }>(explained).differences).toMatchObject([
    { part: 'executors[0].command', says: 'command differs in line 3: + sort' },
  ]);
});

test('POST /v1/cache:invalidate counts first, needs a reason, and touches only the caller’s entries', async () => {
  const path = '/v1/cache:invalidate';
  expect((await call('POST', path, { name: 'align' })).json.problems).toMatchObject([
    { field: 'reason' },
  ]);
  expect((await call('POST', path, { reason: 'x' })).status).toBe(400);
  const body = { output_prefix: 's3://data/out/0', reason: 'A wrong reference.' };
  expect(jsonAs(await call('POST', path, { ...body, dry_run: true }))).toEqual({
    entries: 1,
    dry_run: true,
    examples: [{ task: ids[0], name: 'align' }],
  });
  expect(jsonAs(await call('POST', path, body, 'bob'))).toMatchObject({ entries: 0 });
  expect(jsonAs(await call('POST', path, body))).toMatchObject({ entries: 1, dry_run: false });
  expect(jsonAs(await call('GET', `/v1/cache/entries/${ids[0]}`))).toMatchObject({
    usable: false,
    invalid_reason: 'A wrong reference.',
  });
});

test('POST /v1/cache:prune deletes what can no longer be used', async () => {
  const path = '/v1/cache:prune';
  expect((await call('POST', path, {})).status).toBe(400);
  expect(jsonAs(await call('POST', path, { unused_days: 1, dry_run: true }))).toMatchObject({
    entries: 0,
  });
  expect(jsonAs(await call('POST', path, { unusable: true }))).toMatchObject({ entries: 1 });
  const left = jsonAs<{ entries: object[] }>(await call('GET', '/v1/cache/entries'));
  expect(left.entries).toMatchObject([{ task: ids[1] }]);
  const [rows] = await world.database.pool.query('SELECT COUNT(*) AS n FROM cache_outputs');
  expect(rows).toEqual([{ n: 1 }]);
});

test('a hit names the task whose result it took, and shows its log', async () => {
  const [source = '', hit = ''] = ids;
  await world.database.pool.query(
    "UPDATE tasks SET hit_entry_id = 1, cache_verdict = 'hit', cache_reason = 'same-call', cache_source = ? WHERE id = ?",
    [parseId('task', source)?.key, parseId('task', hit)?.key],
  );
  const shown = await call('GET', `/ga4gh/tes/v1/tasks/${hit}?view=FULL`);
  expect(shown.json.logs?.[0]?.metadata).toMatchObject({ cache: 'hit', cache_source: source });
  const logs = await call('GET', `/v1/tasks/${hit}/logs`);
  expect(logs.headers.get('x-batchwell-log-of')).toBe(source);
});

test('why an entry of another owner cannot be used is told to its owner alone', async () => {
  const { token } = jsonAs<{ token: string }>(
    await call('POST', '/v1/tokens', { owner: 'carl', cache_domain: 'ann' }),
  );
  const carl = (method: string, path: string, body?: unknown): Promise<Answer> =>
    world.call(method, path, body, bearer(token));
  const components = { version: 'x' };
  const secret = 's3://ann-data/patient-7.vcf no longer exists.';
  world.described = { components };
  const resources = { backend_parameters: { cache: 'readwrite' } };
  const equal = { ...task('equal', 'equal'), resources };
  const [own, other] = [
    (await call('POST', '/v1/tasks', equal)).json.id,
    (await carl('POST', '/v1/tasks', equal)).json.id,
  ];
  await endTasks(world.database, [own]);
  const source = parseId('task', own)?.key ?? 0;
  const fingerprint = fingerprintOf(components);
  await saveEntries(
    world.database,
    [
      {
        domain: 'ann',
        fingerprint,
        listedFingerprint: fingerprint,
        taskId: source,
        owner: 'ann',
        name: 'equal',
        runMs: 1,
        warnings: [],
        outputs: [],
      },
    ],
    Date.now(),
  );
  await world.database.pool.query(
    'UPDATE cache_entries SET usable = FALSE, invalid_reason = ? WHERE task_id = ?',
    [secret, source],
  );
  await world.database.pool.query(
    "UPDATE tasks SET cache_verdict = 'miss', cache_reason = 'outputs-gone', cache_source = ? WHERE id IN (?)",
    [source, [own, other].map((id) => parseId('task', id)?.key)],
  );
  const told = await carl('GET', `/v1/tasks/${other}/cache-explanation`);
  expect(jsonAs(told)).toMatchObject({
    verdict: 'A miss: the entry with this fingerprint can no longer be used.',
    entry: { task: 'a task of another owner', valid: false },
  });
  expect(told.text).not.toContain('patient');
  expect(told.text).not.toContain(own);
  const toAnn = await call('GET', `/v1/tasks/${own}/cache-explanation`);
  expect(jsonAs(toAnn)).toMatchObject({
    verdict: expect.stringContaining(secret) as string,
    entry: { task: own, valid: false, invalid_reason: secret },
    explanation: expect.arrayContaining([expect.stringContaining('patient-7')]) as string[],
  });
  world.described = {};
});

test('whether an object exists is told of no task whose URLs the token does not allow', async () => {
  const { token } = jsonAs<{ token: string }>(
    await call('POST', '/v1/tokens', { owner: 'ann', urls: ['s3://public'] }),
  );
  const resources = { backend_parameters: { cache: 'readwrite' } };
  const made = await call('POST', '/v1/scatters?ids=true', {
    template: { ...task('probe', 'probe'), resources },
    rows: [{}],
  });
  const [id = ''] = made.json.task_ids;
  await world.database.pool.query(
    "UPDATE tasks SET cache_verdict = 'uncached', cache_reason = 'input-missing', cache_subject = '/in' WHERE id = ?",
    [parseId('task', id)?.key],
  );
  const paths = [
    `/v1/tasks/${id}/cache-explanation`,
    `/v1/scatters/${made.json.id}/cache-explanation`,
  ];
  for (const path of paths) {
    expect((await call('GET', path)).text).toContain('input /in does not exist');
    const narrow = (await world.call('GET', path, undefined, bearer(token))).text;
    expect([path, narrow]).toEqual([path, expect.stringContaining('input /in may not be read')]);
    expect(narrow).not.toContain('does not exist');
  }
});
