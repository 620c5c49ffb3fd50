/**
 * Records what was released of the database: a digest of each migration, and a filled database of its
 * version as SQL. From then on migrations are append-only (docs/upgrading.md).
 *
 *   npm run migrations:record              records new migrations; refuses if a recorded one has changed
 *   npm run migrations:record -- --refresh records all of them anew, where none is in use anywhere
 *   npm run migrations:record -- --digests without the filled database, which takes half a minute
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startStack } from '../cli/stack.ts';
import { openClient } from '../packages/client/client.ts';
import { dumpRows } from './dump-rows.ts';
import {
  changedMigrations,
  readMigrations,
  RECORD_FILE,
  type Recorded,
} from '../test/migration-record.ts';

const executor = (...command: string[]) => ({ image: 'debian:stable-slim', command });
const FILLED = fileURLToPath(new URL('../test/fixtures/migrations/', import.meta.url));

const refresh = process.argv.includes('--refresh');
const migrations = readMigrations();
const recorded = JSON.parse(await readFile(RECORD_FILE, 'utf8').catch(() => '[]')) as Recorded[];

const changed = refresh ? [] : changedMigrations(recorded, migrations);
if (changed.length > 0) {
  console.error(
    `These migrations were recorded and have changed: ${changed.join(', ')}. A database that has run ` +
      'them would differ from a new one. Undo the change and add a migration instead.',
  );
  process.exit(1);
}
await writeFile(
  RECORD_FILE,
  `${JSON.stringify(
    migrations.map(({ tag, when, sha256 }) => ({ tag, when, sha256 })),
    null,
    2,
  )}\n`,
);
console.log(`Recorded ${migrations.length} migrations.`);

const newest = migrations.at(-1);
const file = join(FILLED, `${newest?.tag}.sql`);
if (newest && (refresh || !existsSync(file)) && !process.argv.includes('--digests')) {
  const rows = await fill();
  if (refresh) await rm(FILLED, { recursive: true, force: true });
  await mkdir(FILLED, { recursive: true });
  await writeFile(file, rows);
  console.log(`Filled a database of ${newest.tag} and wrote its rows.`);
}

/** The rows of a stack that has done a bit of everything. */
async function fill(): Promise<string> {
  const stack = await startStack({
    environment: { PATH: process.env['PATH'] },
    settings: {
      BATCHWELL_TOKENS: 'filled:token-of-a-filled-database',
      BATCHWELL_WEBHOOK_ORIGINS: 'http://127.0.0.1:9',
      BATCHWELL_WEBHOOK_KEY: 'k'.repeat(32),
    },
    onStep: (step) => console.log(`${step}…`),
  });
  try {
    const client = openClient({ url: stack.apiUrl, token: 'token-of-a-filled-database' });
    await client.createWebhook({ url: 'http://127.0.0.1:9/filled', tags: { run: 'filled' } });
    const task = {
      name: 'filled',
      tags: { run: 'filled', 'batchwell.cache': 'readwrite' },
      executors: [executor('echo', 'ünïcode')],
    };
    for (const one of [task, task, { ...task, executors: [executor('false')] }])
      await client.waitFor((await client.submit(one, { idempotencyKey: undefined })).id);
    const { id } = await client.submitScatter({
      name: 'filled scatter',
      cache: 'readwrite',
      template: {
        outputs: [{ url: `s3://${stack.bucket}/out/{{n}}`, path: '/out/file' }],
        executors: [executor('sh', '-c', 'echo {{n}} >/out/file')],
      },
      rows: Array.from({ length: 5 }, (_, n) => ({ n: String(n) })),
    });
    await client.waitForScatter(id);
    const cancelled = await client.submit({
      name: 'cancelled',
      executors: [executor('sleep', '600')],
    });
    await client.cancel(cancelled.id);
    await client.submit({ name: 'unfinished', executors: [executor('sleep', '600')] });
    await client.createToken({ owner: 'filled', name: 'of a filled database' });
    return await dumpRows(stack.databaseUrl, [[stack.folder, '/opt/batchwell']]);
  } finally {
    await stack.stop();
  }
}
