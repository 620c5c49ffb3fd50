/** Every import of the product, resolved to a file and held against scripts/rooms.ts. oxlint sees only the text. */
import { posix } from 'node:path';
import { expect, it } from 'vitest';
import { rooms, unboundFolders, type Room } from '../../scripts/rooms.ts';
import { readRepositoryFile, repositoryFiles } from '../repository.ts';

const IMPORT = /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"]([@.\w][^'"\s]*)['"]/g;

/** The innermost room: the tests of a package are a room of their own. */
function roomOf(path: string): Room | undefined {
  const holding = rooms.filter(({ folder }) => path.startsWith(`${folder}/`));
  return holding.toSorted((a, b) => b.folder.length - a.folder.length)[0];
}

function matches(name: string, pattern: string): boolean {
  const stem = pattern.replace(/\*$/, '');
  if (stem !== pattern) return name.startsWith(stem);
  return name === pattern || name.startsWith(`${pattern}/`);
}

function mayImport(file: string, room: Room, specifier: string): boolean {
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier);
    const name = roomOf(target)?.folder ?? target;
    return name === room.folder || room.rooms.includes(name);
  }
  const extra = room.exceptions?.find((exception) => exception.file === file)?.packages ?? [];
  return [...room.packages, ...extra].some((pattern) => matches(specifier, pattern));
}

const withoutComments = (text: string) => text.replaceAll(/^\s*(\/?\*|\/\/).*$/gm, '');

/** Each import that breaks an arrow, as `file -> specifier: reason`. */
function brokenArrows(file: string, text: string): string[] {
  const room = roomOf(file);
  if (room === undefined) return [];
  return [...withoutComments(text).matchAll(IMPORT)]
    .map(([, specifier = '']) => specifier)
    .filter((specifier) => !mayImport(file, room, specifier))
    .map((specifier) => `${file} -> ${specifier}: ${room.reason}`);
}

/** The clock, where it is read without a word that a lint rule could look for. */
const readsClock = (text: string) => /\bnew Date\(\s*\)|(?<![\w.]|new )\bDate\(/.test(text);

/** A file that only re-exports: its readers should import the file that has the thing. */
const isBarrel = (text: string) =>
  withoutComments(text)
    .replaceAll(/\bexport (?:type )?(?:\*(?: as \w+)?|\{[^}]*\}) from '[^']+';/g, '')
    .trim() === '' && /\bexport\b/.test(text);

const files = repositoryFiles('*/**/*.ts');

it('every folder with TypeScript is a room of scripts/rooms.ts', () => {
  const isBound = (file: string) =>
    roomOf(file) !== undefined || unboundFolders.some((folder) => file.startsWith(`${folder}/`));
  expect(files.filter((file) => !isBound(file))).toEqual([]);
});

it('every import keeps to the arrows', () => {
  expect(files.flatMap((file) => brokenArrows(file, readRepositoryFile(file)))).toEqual([]);
});

it('core never reads the clock', () => {
  const core = files.filter((file) => file.startsWith('core/'));
  expect(core.filter((file) => readsClock(readRepositoryFile(file)))).toEqual([]);
});

it('no file only re-exports', () => {
  expect(files.filter((file) => isBarrel(readRepositoryFile(file)))).toEqual([]);
});

it.each([
  ['core/task/x.ts', `import type { Row } from '../../db/tasks.ts';`],
  ['core/x.ts', `type Row = import('../db/tasks.ts').TaskRow;`],
  ['core/x.ts', `import { readFile } from 'node:fs/promises';`],
  ['api/routes/x.ts', `const { run } = await import('../../workers/run-stage.ts');`],
  ['workers/upkeep/x.ts', `export { app } from '../../api/app.ts';`],
  ['workers/stages/poll/x.ts', `import { Queue } from 'bullmq';`],
  ['packages/client/x.ts', `import { ids } from '../../core/ids.ts';`],
  ['packages/client/x.ts', `import { ids } from '../local-aws/random.ts';`],
  ['packages/local-aws/s3/x.ts', `import '../../../config.ts';`],
  ['packages/local-aws/s3/x.ts', `import { S3Client } from '@aws-sdk/client-s3';`],
  ['packages/local-aws/test/x.ts', `import { world } from '../../../test/world.ts';`],
  ['db/x.ts', `import { world } from '../test/world.ts';`],
])('%s is refused with %s', (file, text) => {
  expect(brokenArrows(file, text)).toHaveLength(1);
});

it.each([
  ['core/task/x.ts', `import { draw } from '../ids.ts'; import { createHash } from 'node:crypto';`],
  ['workers/run-stage.ts', `import { Worker } from 'bullmq';`],
  ['packages/local-aws/test/x.ts', `import { S3Client } from '@aws-sdk/client-s3';`],
])('%s is accepted with %s', (file, text) => {
  expect(brokenArrows(file, text)).toEqual([]);
});

it.each([
  ['new Date()', true],
  ['String(Date())', true],
  ['new Date(nowMs)', false],
  ['readDate(x)', false],
])('%s reads the clock: %s', (text, expected) => {
  expect(readsClock(text)).toBe(expected);
});

it.each([
  [`/** All of it. */\nexport * from './a.ts';\nexport { b } from './b.ts';\n`, true],
  [`export { b } from './b.ts';\nexport const a = 1;\n`, false],
])('%j only re-exports: %s', (text, expected) => {
  expect(isBarrel(text)).toBe(expected);
});
