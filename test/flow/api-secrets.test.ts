/** A secret from a caller reaches the container and appears nowhere else. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseId } from '../../core/ids.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

const CANARY = 'canary-7f3e9b';
let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld({ tokens: [`ann:${CANARY}-token`] });
});
afterAll(() => world.close());

const call = (method: string, path: string, body?: unknown) =>
  world.call(method, path, body, { authorization: `Bearer ${CANARY}-token` });
const env = {
  DB_PASSWORD: CANARY,
  aws_secret_access_key: `${CANARY}-2`,
  GITHUB_TOKEN: CANARY,
  PLAIN: 'shown',
};
const executor = { image: 'alpine', command: ['true'], env };

test('a secret variable never appears in views, scripts, dry runs, problems or logs', async () => {
  const single = (await call('POST', '/v1/tasks', { executors: [executor] })).json.id;
  const scatter = await call('POST', '/v1/scatters?ids=true', {
    template: {
      executors: [
        { ...executor, command: ['echo', '{{x}}'], env: { ...env, ROW_TOKEN: `${CANARY}-{{x}}` } },
      ],
    },
    rows: [{ x: 1 }, { x: 2 }],
  });
  const answers = [
    scatter,
    await call('POST', '/v1/tasks:validate', { executors: [executor] }),
    await call('POST', '/v1/tasks', {
      executors: [{ ...executor, image: '', env: { ...env, API_KEY: `${CANARY}\0` } }],
    }),
  ];
  for (const id of [single, ...scatter.json.task_ids]) {
    for (const path of [
      `/ga4gh/tes/v1/tasks/${id}?view=BASIC`,
      `/ga4gh/tes/v1/tasks/${id}?view=FULL`,
      `/v1/tasks/${id}/script`,
      `/v1/tasks/${id}/timeline`,
      `/v1/tasks/${id}/cache-explanation`,
    ])
      answers.push(await call('GET', path));
  }
  answers.push(await call('GET', '/ga4gh/tes/v1/tasks?view=FULL'), await call('GET', '/metrics'));
  expect(
    answers
      .filter(({ status }) => ![200, 400].includes(status))
      .map(({ status, text }) => `${status} ${text}`),
  ).toEqual([]);
  expect(answers.filter(({ text }) => text.includes(CANARY)).map(({ text }) => text)).toEqual([]);
  expect(world.lines.join('')).not.toContain(CANARY);

  const script = (await call('GET', `/v1/tasks/${single}/script`)).text;
  expect(script).toContain('shown');
  expect(script).toContain('(hidden)');
  const [rows] = await world.database.pool.query('SELECT slot_values FROM tasks WHERE id = ?', [
    parseId('task', single)?.key,
  ]);
  expect(JSON.stringify(rows), 'the container still gets it').toContain(CANARY);
});

test('a task cannot name Batchwell’s own scripts, results and logs as inputs or outputs', async () => {
  const { bucket } = world.config;
  const file = (url: string) => ({ url, path: '/x' });
  for (const url of [
    `s3://${bucket}/submissions/abc/results/0`,
    `s3://${bucket}/scripts/x.sh`,
    `s3://${bucket}/submissions/`,
    `s3://${bucket}/`,
  ]) {
    const type = url.endsWith('/') ? { type: 'DIRECTORY' } : {};
    expect(
      (
        await call('POST', '/v1/tasks', {
          executors: [executor],
          inputs: [{ ...file(url), ...type }],
        })
      ).json.problems,
      url,
    ).toEqual([expect.objectContaining({ field: 'inputs[0].url' })]);
    expect(
      (
        await call('POST', '/v1/tasks', {
          executors: [executor],
          outputs: [{ ...file(url), ...type }],
        })
      ).json.problems,
      url,
    ).toEqual([expect.objectContaining({ field: 'outputs[0].url' })]);
  }
  expect(
    (
      await call('POST', '/v1/scatters', {
        template: { executors: [executor], outputs: [file(`s3://${bucket}/scripts/{{x}}`)] },
        rows: [{ x: 'a' }],
      })
    ).status,
  ).toBe(400);
  expect(
    (
      await call('POST', '/v1/tasks', {
        executors: [executor],
        inputs: [file(`s3://${bucket}/demo/reads`)],
      })
    ).status,
  ).toBe(200);
});
