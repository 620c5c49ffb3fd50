import { createConnection } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { Redis } from 'ioredis';
import { freshDatabase, freshRedis } from '../world.ts';

test('two fresh databases do not see each other', async () => {
  const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
  const connection = await createConnection(one.url);
  await connection.query('CREATE TABLE only_here (id BIGINT PRIMARY KEY)');
  await connection.end();
  const other = await createConnection(two.url);
  const [tables] = await other.query('SHOW TABLES');
  await other.end();
  expect(tables).toEqual([]);
  await Promise.all([one.drop(), two.drop()]);
});

test('two fresh Redis do not see each other', async () => {
  const [one, two] = await Promise.all([freshRedis(), freshRedis()]);
  const [first, second] = [new Redis(one.url), new Redis(two.url)];
  await first.set('only', 'here');
  expect(await second.get('only')).toBeNull();
  first.disconnect();
  second.disconnect();
  await Promise.all([one.drop(), two.drop()]);
});
