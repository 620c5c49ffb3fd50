/** Names that callers choose are data, whatever JavaScript, a shell or Linux takes them for. */
import { afterAll, expect, test } from 'vitest';
import { differencesOf } from '../../core/cache/differences.ts';
import { startApiWorld } from '../api-world.ts';
import { emptyTask } from '../contract/stager-world.ts';
import { getIn, postIn, TES } from '../tes-world.ts';

const world = await startApiWorld();
afterAll(() => world.close());
const post = postIn(world);
const get = getIn(world);

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'];
const named = (value: string): Record<string, string> =>
  Object.fromEntries(NAMES.map((name) => [name, `${value} of ${name}`]));
const command = { image: 'alpine', command: ['true'] };

test('tags and variables named like the members of every object are stored, shown and found', async () => {
  const [tags, env] = [named('tag'), named('variable')];
  const id = await post({ executors: [{ ...command, env }], tags });
  const task = await get(id, 'FULL');
  expect([task.tags, task.executors[0]?.env].map((one) => Object.entries(one ?? {}))).toEqual(
    [tags, env].map((one) => expect.arrayContaining(Object.entries(one))),
  );
  for (const name of NAMES) {
    const { json } = await world.call(
      'GET',
      `${TES}/tasks?tag_key=${name}&tag_value=tag%20of%20${name}`,
    );
    expect(json.tasks).toEqual([{ id, state: 'QUEUED' }]);
  }
  expect((await world.call('GET', `${TES}/tasks?tag_key=valueOf`)).json.tasks).toEqual([]);
});

test('columns, tags and backend parameters of a scatter may have such names', async () => {
  const template = {
    executors: [
      {
        ...command,
        command: ['echo', '{{__proto__}}', '{{constructor}}'],
        env: named('{{toString}}'),
      },
    ],
    resources: { backend_parameters: named('ignored') },
  };
  const { status, json } = await world.call('POST', '/v1/scatters', {
    template,
    rows: [named('first'), named('second')],
    tags: named('of all'),
  });
  expect([status, json.tasks]).toEqual([200, 2]);
  const { json: list } = await world.call('GET', `/v1/scatters/${json.id}/tasks?view=FULL`);
  expect(
    list.tasks.map((task: { executors: { command: string[] }[] }) => task.executors[0]?.command),
  ).toEqual([
    ['echo', 'second of __proto__', 'second of constructor'],
    ['echo', 'first of __proto__', 'first of constructor'],
  ]);
  expect(Object.entries(list.tasks[0]?.tags ?? {})).toEqual(Object.entries(named('of all')));
  const missing = await world.call('POST', '/v1/scatters', { template, rows: [{ a: 1 }] });
  expect(missing.status).toBe(400);
});

test('two calls that differ in such a variable are told apart by it alone', () => {
  const call = (env: Record<string, string>) => ({
    spec: emptyTask({ executors: [{ ...command, env }] }),
    inputs: [],
    setting: {},
  });
  const [here, there] = [call(named('here')), call({ ...named('here'), constructor: 'there' })];
  const without = call({});
  expect(differencesOf(here as never, there as never).map(({ part }) => part)).toEqual([
    'executors[0].env.constructor',
  ]);
  expect(differencesOf(here as never, without as never)[1]?.says).toContain(
    'constructor: (none) ->',
  );
});

const LONGEST = 131_072;
const refusals = [
  [
    'a value that is too long with its name',
    { env: { BIG: 'x'.repeat(LONGEST - 1) } },
    'executors[0].env.BIG',
  ],
  ['a value one byte too long', { env: { BIG: 'x'.repeat(LONGEST - 4) } }, 'executors[0].env.BIG'],
  [
    'an argument one byte too long',
    { command: ['true', 'x'.repeat(LONGEST)] },
    'executors[0].command[1]',
  ],
  [
    'arguments that are too long together',
    { command: ['true', ...Array(16).fill('x'.repeat(LONGEST - 1))] },
    'executors[0].command',
  ],
  [
    'variables that are too many together',
    { env: Object.fromEntries(Array.from({ length: 150_000 }, (_, i) => [`V${i}`, ''])) },
    'executors[0].env',
  ],
  ['a name that no shell can set', { env: { 'a.b': '1' } }, 'executors[0].env["a.b"]'],
  ['a name that shells set themselves', { env: { UID: '1' } }, 'executors[0].env.UID'],
] as const;

test.each(refusals)('%s is refused with 400 that names the field', async (_, more, field) => {
  const { status, json } = await world.call('POST', `${TES}/tasks`, {
    executors: [{ ...command, ...more }],
  });
  expect(status).toBe(400);
  expect(JSON.stringify(json)).toContain(JSON.stringify(`${field}: expected`).slice(1, -1));
  expect(JSON.stringify(json).length).toBeLessThan(2000);
});

test('what is as long as Linux takes is accepted', async () => {
  const id = await post({
    executors: [
      {
        ...command,
        command: ['true', 'x'.repeat(LONGEST - 1)],
        env: { BIG: 'x'.repeat(LONGEST - 5) },
      },
    ],
  });
  expect(await get(id, 'MINIMAL')).toMatchObject({ state: 'QUEUED' });
});
