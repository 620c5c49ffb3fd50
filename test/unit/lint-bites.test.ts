/** One violation of each lint rule is planted in a copy of the folders; oxlint must refuse each for its own reason. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lintConfig } from '../../scripts/lint-config.ts';
import { rooms } from '../../scripts/rooms.ts';
import { repositoryRoot } from '../repository.ts';

interface Diagnostic {
  code: string;
  message: string;
  help?: string;
  filename: string;
}

interface Plant {
  file: string;
  code: string;
  /** The beginning of the code, for the test's name. */
  what: string;
  rule: string;
  /** Words of the message or the reason. */
  says: string;
}

const reasonOf = (folder: string): string =>
  rooms.find((room) => room.folder === folder)?.reason ?? `${folder} is not a room`;

let planted = 0;
const plant = (folder: string, code: string, rule: string, says: string): Plant => {
  planted += 1;
  const what = code.replaceAll(/\s+/g, ' ').slice(0, 70);
  return { file: `${folder}/planted-${planted}.ts`, code, what, rule, says };
};

const importing = (folder: string, specifier: string, room = folder): Plant =>
  plant(
    folder,
    `import type { X } from '${specifier}';\nexport type Y = X;\n`,
    'no-restricted-imports',
    reasonOf(room),
  );

const inCore = (code: string, rule: string): Plant => plant('core', code, rule, 'core is pure');

const plants: readonly Plant[] = [
  importing('core', '../db/tasks.ts'),
  importing('core/task', '../../config.ts', 'core'),
  importing('core/task', '../../packages/client/client.ts', 'core'),
  importing('core/task', '../../test/world.ts', 'core'),
  importing('core', 'node:fs/promises'),
  importing('core', '@aws-sdk/client-s3'),
  importing('infra', '../core/ids.ts'),
  inCore(`export const page = fetch('http://localhost');`, 'no-restricted-globals'),
  inCore(`export const page = globalThis.fetch('http://localhost');`, 'no-restricted-globals'),
  inCore(`export const pid = process.pid;`, 'no-restricted-globals'),
  inCore(`export const wait = (done: () => void) => setTimeout(done, 1);`, 'no-restricted-globals'),
  inCore(`export const say = () => console.log('hello');`, 'no-restricted-globals'),
  inCore(`export const nowMs = Date.now();`, 'no-restricted-properties'),
  inCore(`const { now } = Date;\nexport const nowMs = now();`, 'no-restricted-properties'),
  inCore(`export const dice = Math.random();`, 'no-restricted-properties'),
  importing('settings', '../db/tasks.ts'),
  importing('db', '../workers/fleet.ts'),
  importing('db', '../settings/cache.ts'),
  importing('db', 'bullmq'),
  importing('registry', '../db/tasks.ts'),
  importing('registry', '@aws-sdk/client-s3'),
  importing('queues', '../db/tasks.ts'),
  importing('queues', 'drizzle-orm'),
  importing('aws', '../api/app.ts'),
  importing('aws', 'mysql2/promise'),
  importing('telemetry', '../queues/queues.ts'),
  importing('workers', '../api/app.ts'),
  importing('workers/stages/poll', '../../../api/app.ts', 'workers'),
  importing('workers/upkeep', 'bullmq', 'workers'),
  importing('workers/upkeep', '@aws-sdk/client-batch', 'workers'),
  importing('workers/upkeep', 'drizzle-orm/mysql-core', 'workers'),
  importing('api/routes', '../../workers/fleet.ts', 'api'),
  importing('api/routes', 'bullmq', 'api'),
  importing('api', 'mysql2'),
  importing('cli/commands', '@aws-sdk/client-s3', 'cli'),
  importing('stager', '../aws/s3.ts'),
  importing('cromwell/proxy', '../../db/tasks.ts', 'cromwell'),
  importing('packages/client', '../../core/ids.ts'),
  importing('packages/client', 'node:fs'),
  importing('packages/client/test', '../../../test/world.ts'),
  importing('packages/local-aws/s3', '../../../core/ids.ts', 'packages/local-aws'),
  importing('packages/local-aws/batch', '../../../cli/services/ports.ts', 'packages/local-aws'),
  importing('packages/local-aws/batch', '@aws-sdk/client-batch', 'packages/local-aws'),
  importing('packages/local-aws/test', '../../../test/world.ts'),
  importing('packages/disk/rules', '../../../aws/s3.ts', 'packages/disk'),
  importing('packages/disk/ec2', '@aws-sdk/client-s3', 'packages/disk'),
  importing('packages/disk/test', '../../../test/world.ts'),
  importing('web/model', '../../core/ids.ts', 'web'),
  importing('infra/test', '../../db/tasks.ts'),
  importing('examples/producers', '../../core/ids.ts', 'examples'),
  importing('web/model', '../../core/ids.ts', 'web'),
  importing('web', 'react'),
  importing('ops/grafana', '../../workers/fleet.ts', 'ops'),
  plant(
    'workers',
    `export const region = process.env['AWS_REGION'];`,
    'no-restricted-properties',
    'config.ts is the only reader of the environment',
  ),
  plant(
    'api',
    `const { env } = process;\nexport const region = env['AWS_REGION'];`,
    'no-restricted-properties',
    'config.ts is the only reader of the environment',
  ),
  plant('db', `export const say = () => console.log('hello');`, 'no-console', 'console'),
  plant('db', `export const row: any = {};`, 'no-explicit-any', 'any'),
  plant('db', `export const at = (list: string[]) => list[0]!;`, 'no-non-null-assertion', ''),
  plant(
    'db',
    `import { X } from './x.ts';\nexport const x: X = 1;`,
    'consistent-type-imports',
    'only used as types',
  ),
  plant('db', `export const same = (a: unknown) => a == 1;`, 'eqeqeq', '==='),
  plant('db', `let one = 1;\nexport const two = one;`, 'prefer-const', 'const'),
  plant('db', `import type { B } from './cycle.ts';\nexport type A = B;`, 'no-cycle', 'cycle'),
  plant('db', lines(401), 'max-lines', '400'),
  plant('db', `export function long() {\n${calls(60)}}\n`, 'max-lines-per-function', '60'),
  plant('db', `export const pick = (n: number) => {\n${branches(12)}};\n`, 'complexity', '12'),
];

function lines(count: number): string {
  return Array.from({ length: count }, (_, n) => `export const line${n} = ${n};\n`).join('');
}

function calls(count: number): string {
  return Array.from({ length: count }, (_, n) => `  String(${n});\n`).join('');
}

function branches(count: number): string {
  return Array.from({ length: count }, (_, n) => `  if (n === ${n}) return ${n};\n`).join('');
}

let folder: string;
let diagnostics: Diagnostic[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-lint-'));
  const cycle = plants.find(({ rule }) => rule === 'no-cycle')?.file.replace('db/', '') ?? '';
  const files = [
    ...plants.map(({ file, code }) => [file, code] as const),
    ['db/cycle.ts', `import type { A } from './${cycle}';\nexport type B = A[];\n`] as const,
    ['.oxlintrc.json', JSON.stringify(lintConfig)] as const,
  ];
  for (const [file, text] of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  diagnostics = await lint(folder);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function lint(cwd: string): Promise<Diagnostic[]> {
  const oxlint = join(repositoryRoot, 'node_modules/oxlint/bin/oxlint');
  return new Promise((resolve, reject) => {
    const options = { cwd, maxBuffer: 64e6 };
    execFile(process.execPath, [oxlint, '--format=json'], options, (_, stdout, stderr) => {
      try {
        resolve((JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics);
      } catch {
        reject(new Error(`oxlint did not answer in JSON: ${stdout}${stderr}`));
      }
    });
  });
}

it.each(plants)('$rule refuses `$what` in $file', ({ file, rule, says }) => {
  const found = diagnostics.filter(
    ({ filename, code, message, help = '' }) =>
      filename.endsWith(file) && code.includes(`(${rule})`) && `${message} ${help}`.includes(says),
  );
  expect(
    found,
    JSON.stringify(diagnostics.filter((one) => one.filename.endsWith(file))),
  ).not.toEqual([]);
});

it('every room has a planted import', () => {
  const tried = plants
    .filter(({ rule }) => rule === 'no-restricted-imports')
    .map(({ says }) => says);
  expect(rooms.map(({ reason }) => reason).filter((reason) => !tried.includes(reason))).toEqual([]);
});

it('every rule that is set to error has a violation planted', () => {
  const set = [lintConfig.rules, ...lintConfig.overrides.map(({ rules }) => rules)]
    .flatMap((rules) => Object.entries(rules))
    .filter(([, value]) => value !== 'off')
    .map(([name]) => name.replace(/^.*\//, ''));
  const tried = new Set(plants.map(({ rule }) => rule));
  // It is loosened, not set.
  const loosened = new Set(['valid-expect']);
  expect(set.filter((name) => !tried.has(name) && !loosened.has(name))).toEqual([]);
});
