/**
 * A spread into the arguments of a call puts each item on the stack: above some 120,000 items V8 throws a
 * RangeError. One task with as many files ended its chunk that way, so the product's code has no such call but
 * those below, whose lists are short whatever a caller sends.
 */
import { parseAst } from 'vitest/node';
import { expect, test } from 'vitest';
import { append } from '../../core/append.ts';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readRepositoryFile, repositoryFiles, repositoryRoot } from '../repository.ts';

/** `file: call` to why its list is short. */
const SHORT: Readonly<Record<string, string>> = {
  'cli/command-line.ts: run': 'the arguments of a command line',
  'cli/commands/fleet.ts: wholeNumber': 'a pair',
  'cli/commands/files.ts: option': 'the parts of an option',
  'cli/output/table.ts: div': 'the columns of a table',
  'core/doctor/explain-task.ts: max':
    'the environments of a queue, and the instance types that they name',
  'packages/disk/ec2/sdk.ts: push': 'a page of DescribeVolumes',
  'packages/disk/rules/fill-rate.ts: max': 'three rates',
  'packages/disk/rules/policy.ts: push': 'sentences about the settings',
  'packages/local-aws/s3/answer.ts: errorDocument': 'the fields of an error',
  'packages/local-aws/s3/bucket.ts: element': 'the buckets of a laptop',
  'packages/local-aws/s3/list-objects.ts: document': 'S3 lists 1,000 keys in a page',
  'packages/local-aws/s3/multipart.ts: document': 'S3 lists 1,000 parts or uploads in a page',
  'packages/local-aws/s3/read-object.ts: document': 'the attributes of one object',
  'packages/local-aws/s3/read-object.ts: element': 'S3 allows ten tags',
  'packages/local-aws/s3/write-object.ts: document': 'S3 allows 1,000 keys in a request',
  'packages/local-aws/s3/xml.ts: element': 'the fields of an error',
  'queues/fleet-time.ts: createRedisBackend': 'the arguments of a constructor',
  'scripts/diagram.ts: push': 'the moves of core/places.ts',
  'telemetry/log.ts: apply': 'the arguments of a log call',
};

const OTHERS = /(^|\/)test\/|^bench\/|^examples\/|^db\/migrations\//;

interface Node {
  type: string;
  [field: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value;

function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodesOf(item);
  else if (isNode(value)) {
    yield value;
    for (const field of Object.values(value)) yield* nodesOf(field);
  }
}

function calleeName({ callee }: Node): string {
  if (!isNode(callee)) return '';
  const { name, property } = callee;
  if (typeof name === 'string') return name;
  return isNode(property) ? String(property['name']) : '';
}

/** The calls of a file that spread a list, or pass one to `apply`. */
function spreadCalls(file: string, text: string): string[] {
  const program = parseAst(text, { lang: 'ts' }, file);
  return [...nodesOf(program.body)].flatMap((node) => {
    if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return [];
    const given = node['arguments'] as Node[];
    const spreads = given.some(
      (one) =>
        one.type === 'SpreadElement' &&
        // A literal is as short as it is written.
        (one['argument'] as Node).type !== 'ArrayExpression',
    );
    const name = calleeName(node);
    return spreads || (name === 'apply' && given.length === 2 && isMember(node))
      ? [`${file}: ${name}`]
      : [];
  });
}

const isMember = ({ callee }: Node): boolean =>
  isNode(callee) && callee.type === 'MemberExpression';

test('no call of the product spreads a list whose length a caller or a task decides', () => {
  const files = repositoryFiles('*.ts', '*/**/*.ts').filter((file) => !OTHERS.test(file));
  const found = files.flatMap((file) => spreadCalls(file, readRepositoryFile(file)));
  expect(found.filter((call) => SHORT[call] === undefined)).toEqual([]);
  expect(Object.keys(SHORT).filter((call) => !found.includes(call))).toEqual([]);
});

test('the search finds every form of a spread into arguments', () => {
  const planted = [
    'list.push(...files);',
    'list.splice(0, 1, ...files);',
    'const most = Math.max(...sizes);',
    'const text = String.fromCharCode(...bytes);',
    'const text = String.fromCharCode.apply(null, bytes);',
    'const set = new Files(...files);',
    'done(...(await next()));',
  ];
  for (const code of planted) expect(spreadCalls('planted.ts', code), code).toHaveLength(1);
  for (const code of [
    'const all = [...files];',
    'call({ ...files });',
    'apply(event);',
    'f(...[1, 2]);',
  ])
    expect(spreadCalls('planted.ts', code), code).toEqual([]);
});

test('a list of 300,000 items is added to another', () => {
  const list: number[] = [];
  append(
    list,
    Array.from({ length: 300_000 }, (_, at) => at),
  );
  expect(list.at(-1)).toBe(299_999);
});

/** A stack this small throws for a spread of about 12,000 items: 15,000 files stand for 150,000. */
const STACK_KB = 100;

test('a wildcard output of more files than a call takes arguments is uploaded', async () => {
  const root = await mkdtemp(join(tmpdir(), 'batchwell-many-'));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [
      `--stack-size=${STACK_KB}`,
      join(repositoryRoot, 'test/many-files.ts'),
      root,
      '15000',
    ]);
    expect(JSON.parse(stdout)).toEqual({ files: 15_000 });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}, 60_000);
