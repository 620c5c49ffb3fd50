/**
 * Files that Cromwell wrote for write_lines and similar: their content counts, except the names of
 * the run.
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { cromwellTask, type CromwellTask } from '../cromwell.ts';
import { cromwellCall, exchange, folderOf, type Contents } from './profile-world.ts';

const FIXTURE = 'granular-glob-root-workflow';
const ELSEWHERE = '00000000-1111-4222-8333-444444444444';
const MD5_IN_FIXTURE = '0b1f3c0f1b7a2a9e6c5d4e3f2a1b0c9d';
type Text = (task: CromwellTask) => string | Buffer;

/**
 * A call with a file from another call of its workflow, and a written file with the result of
 * `text`.
 */
function callWith(
  text: Text,
  { workflowId, more = [] }: { workflowId?: string; more?: Text[] } = {},
) {
  const fixture = cromwellTask(FIXTURE, workflowId === undefined ? {} : { workflowId });
  const upstream = `${folderOf(fixture).replace('call-split', 'call-trim')}/shard-2/execution/trimmed.fq`;
  const task = {
    ...fixture,
    inputs: [
      {
        name: 'split.trimmed.0',
        url: upstream.replace(/^/, '/srv/cromwell'),
        path: upstream,
        type: 'FILE',
      },
      ...fixture.inputs,
    ],
  };
  const contents: Contents = {};
  const written = [text, ...more].map((one) => {
    const held = one(task);
    return { held, name: `write_lines_${createHash('md5').update(held).digest('hex')}.tmp` };
  });
  const place = task.inputs.findIndex(({ path }) => path.includes(MD5_IN_FIXTURE));
  const file = task.inputs[place];
  if (!file) throw new Error(`${FIXTURE} has no written file.`);
  const files = written.map(({ held, name }) => {
    const one = exchange(file, { [`write_lines_${MD5_IN_FIXTURE}.tmp`]: name });
    contents[one.url.replace('/srv/cromwell/cromwell-executions', 's3://lab/x')] = held;
    return one;
  });
  const made = { ...task, inputs: task.inputs.toSpliced(place, 1, ...files) };
  return cromwellCall(made, `tool --list ${files.map(({ path }) => path).join(' ')}`, contents);
}

const same = async (text: Text, more: Text[] = []): Promise<[string, string]> => [
  await callWith(text, { more }),
  await callWith(text, { more, workflowId: ELSEWHERE }),
];
const paths: Text = (task) =>
  task.inputs
    .slice(0, 2)
    .map(({ path }) => `${path}\n`)
    .join('');

describe('calls with written files in another run', () => {
  test.each<[string, Text]>([
    ['a list of its inputs', paths],
    [
      'JSON with its inputs',
      (task) => JSON.stringify({ reads: task.inputs.slice(0, 2).map(({ path }) => path) }),
    ],
    [
      'a table with a file that the call will write',
      (task) => `out\t${folderOf(task)}/execution/out.txt\n`,
    ],
    ['no path at all', () => 'a\nb\n'],
  ])('a call whose written file has %s is the same call in another run', async (_, text) => {
    const [here, there] = await same(text);
    expect(there).toBe(here);
  });

  test('a call with several written files is the same call in another run', async () => {
    const [here, there] = await same(paths, [
      () => 'a\n',
      (task) => `${folderOf(task)}/execution/x\n`,
    ]);
    expect(there).toBe(here);
  });
});

describe('calls whose written files differ', () => {
  test.each<[string, Text, Text]>([
    ['with another text', () => 'a\n', () => 'b\n'],
    [
      'with its inputs in another order',
      paths,
      (task) =>
        task.inputs
          .slice(0, 2)
          .map(({ path }) => `${path}\n`)
          .toReversed()
          .join(''),
    ],
    ['with another line end', () => 'a\n', () => 'a\r\n'],
    [
      'with other bytes that are not text',
      () => Buffer.from([0x61, 0xfe]),
      () => Buffer.from([0x61, 0xff]),
    ],
    [
      'with another text of more than 1 MiB',
      () => `${'x'.repeat(1024 ** 2)}a`,
      () => `${'x'.repeat(1024 ** 2)}b`,
    ],
    ['with the mark that replaces its folder', (task) => `${folderOf(task)}/x`, () => '⟨call⟩/x'],
  ])('a call is another call if its written file comes %s', async (_, one, other) => {
    expect(await callWith(one)).not.toBe(await callWith(other, { workflowId: ELSEWHERE }));
  });

  test.each<[string, Text]>([
    ['a file beside an input', (task) => `${task.inputs[0]?.path.replace('trimmed', 'beside')}\n`],
    ['a file whose name begins with that of an input', (task) => `${task.inputs[0]?.path}.bai\n`],
    [
      'a file in a bucket, with the path of an input after the bucket’s name',
      (task) => `s3://lab${task.inputs[0]?.path}\n`,
    ],
    ['a call whose name begins with the call’s own', (task) => `${folderOf(task)}2/x\n`],
    ['the id of the workflow', (task) => `${task.tags['workflow_id']}\n`],
  ])(
    'a call whose written file names %s is another call in another run, because that content is not compared',
    async (_, text) => {
      const [here, there] = await same(text);
      expect(there).not.toBe(here);
    },
  );

  test('a call with two written files swapped is another call', async () => {
    const [first, second]: Text[] = [() => 'a\n', () => 'b\n'];
    expect(await callWith(first!, { more: [second!] })).not.toBe(
      await callWith(second!, { more: [first!], workflowId: ELSEWHERE }),
    );
  });
});

test('a call with more than 16 written files is compared unchanged', async () => {
  const many = Array.from(
    { length: 16 },
    (_, n): Text =>
      (task) =>
        `${folderOf(task)}/execution/${n}\n`,
  );
  const [here, there] = await same(paths, many);
  expect(there).not.toBe(here);
  const [fewHere, fewThere] = await same(paths, many.slice(1));
  expect(fewThere).toBe(fewHere);
});
