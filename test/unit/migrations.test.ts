import { expect, it } from 'vitest';
import { changedMigrations, readMigrations, readRecord } from '../migration-record.ts';

const migrations = readMigrations();
const recorded = readRecord();

it('no recorded migration has changed: a database that ran it would differ from a new one', () => {
  expect(
    changedMigrations(recorded, migrations),
    'add a migration instead; see docs/upgrading.md',
  ).toEqual([]);
});

it('every migration is recorded: `npm run migrations:record` does it', () => {
  expect(migrations.map(({ tag }) => tag)).toEqual(recorded.map(({ tag }) => tag));
});

it('each migration is later than the one before: otherwise drizzle would leave it out', () => {
  const times = migrations.map(({ when }) => when);
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(new Set(times).size).toBe(times.length);
});

it('a recorded migration that is edited, renamed, moved or dated again is seen', () => {
  const [one, two] = [
    { tag: '0000_a', when: 1, sha256: 'a' },
    { tag: '0001_b', when: 2, sha256: 'b' },
  ];
  expect(
    changedMigrations([one, two], [one, two, { tag: '0002_c', when: 3, sha256: 'c' }]),
  ).toEqual([]);
  expect(changedMigrations([one, two], [{ ...one, sha256: 'x' }, two])).toEqual(['0000_a']);
  expect(changedMigrations([one, two], [one, { ...two, tag: '0001_x' }])).toEqual(['0001_b']);
  expect(changedMigrations([one, two], [one, { ...two, when: 9 }])).toEqual(['0001_b']);
  expect(changedMigrations([one, two], [two, one])).toEqual(['0000_a', '0001_b']);
  expect(changedMigrations([one, two], [one])).toEqual(['0001_b']);
});
