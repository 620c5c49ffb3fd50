/**
 * The client as others get it: built, installed into a folder of its own, imported by plain
 * JavaScript and checked by TypeScript.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const exec = promisify(execFile);
const client = fileURLToPath(new URL('../../packages/client/', import.meta.url));
const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

let folder: string;
let installed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-client-'));
  installed = join(folder, 'node_modules/@batchwell/client');
  await mkdir(installed, { recursive: true });
  await copyFile(join(client, 'package.json'), join(installed, 'package.json'));
  await exec(process.execPath, [tsc, '-p', client, '--outDir', join(installed, 'dist')]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/**
 * The Node that runs the tests, and the machine's own where that is another: on a machine of ours
 * it is Node 20.
 */
const nodes = [
  process.execPath,
  ...['/usr/bin/node', '/usr/local/bin/node'].filter((path) => existsSync(path)),
];

test.each(nodes.map((node, at) => [at === 0 ? 'the tests’ Node' : 'the machine’s own Node', node]))(
  'plain JavaScript in %s imports the package, submits a task and reads a refusal',
  async (_, node) => {
    const asked: { url: string | undefined; key: string | string[] | undefined }[] = [];
    const server = createServer((request, response) => {
      asked.push({ url: request.url, key: request.headers['idempotency-key'] });
      const isTask = request.method === 'POST' && request.url?.endsWith('/tasks');
      request
        .resume()
        .on('end', () =>
          response
            .writeHead(isTask ? 200 : 404)
            .end(
              JSON.stringify(
                isTask ? { id: 'task-1-aaaaaa' } : { status_code: 404, message: 'There is none.' },
              ),
            ),
        );
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const script = join(folder, 'producer.mjs');
    await writeFile(
      script,
      `
    import { BatchwellError, hasEnded, openClient } from '@batchwell/client';
    const client = openClient({ url: process.argv[2], token: 'secret' });
    const { id } = await client.submit({ executors: [{ image: 'alpine', command: ['true'] }] });
    const refusal = await client.waitFor('task-9-zzzzzz', { timeoutMs: 60_000 }).catch((error) => error);
    const status = refusal instanceof BatchwellError && refusal.status;
    console.log(JSON.stringify({ id, ended: hasEnded('COMPLETE'), refusal: status }));
  `,
    );
    try {
      // The tests' own flags are not for another Node.
      const { stdout } = await exec(node, [script, url], { env: { PATH: process.env['PATH'] } });
      expect(JSON.parse(stdout)).toEqual({ id: 'task-1-aaaaaa', ended: true, refusal: 404 });
      expect(asked[0]).toEqual({
        url: '/ga4gh/tes/v1/tasks',
        key: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
    } finally {
      server.close();
    }
  },
);

test.each(nodes)('a time limit fires although garbage is collected meanwhile: %#', async (node) => {
  const server = createServer(() => undefined);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const script = join(folder, 'patient.mjs');
  await writeFile(
    script,
    `
    import { openClient } from '@batchwell/client';
    const collecting = setInterval(() => globalThis.gc(), 5);
    const client = openClient({ url: process.argv[2] });
    const { signal } = new AbortController();
    console.log(await client.waitFor('task-1-aaaaaa', { timeoutMs: 100, signal }).catch((error) => error.name));
    clearInterval(collecting);
  `,
  );
  try {
    const { stdout } = await exec(
      node,
      ['--expose-gc', script, `http://127.0.0.1:${(server.address() as AddressInfo).port}`],
      { env: { PATH: process.env['PATH'] } },
    );
    expect(stdout).toBe('TimeoutError\n');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('the types of the package need no other types, in Node and in browsers', async () => {
  await writeFile(
    join(folder, 'producer.ts'),
    `
    import { openClient, type TesTask, type TesTaskFull } from '@batchwell/client';
    const task: TesTask = { executors: [{ image: 'alpine', command: ['true'] }] };
    export async function produce(): Promise<TesTaskFull> {
      const client = openClient({ url: 'http://127.0.0.1:8000' });
      const { id } = await client.submit(task);
      const { state } = await client.get(id);
      // @ts-expect-error MINIMAL has no logs
      void (await client.get(id)).logs;
      // @ts-expect-error an image is needed
      await client.submit({ executors: [{ command: ['true'] }] });
      const tasks = client.listAll({ view: 'BASIC', tags: { run: state } });
      for await (const { creation_time } of tasks) console.log(creation_time);
      return client.waitFor(id);
    }
  `,
  );
  const { stdout } = await exec(
    process.execPath,
    [
      tsc,
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2022,dom',
      '--types',
      '',
      'producer.ts',
    ],
    { cwd: folder },
  ).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});

test('the package holds only JavaScript and types, and imports only its own files', async () => {
  const files = await readdir(join(installed, 'dist'));
  expect(files.filter((file) => !/\.(js|d\.ts)$/.test(file))).toEqual([]);
  for (const file of files) {
    const imports = [
      ...(await readFile(join(installed, 'dist', file), 'utf8')).matchAll(/from '([^']+)'/g),
    ].map((match) => match[1] ?? '');
    for (const name of imports) expect(name).toMatch(/^\.\/[\w.-]+$/);
  }
  expect(JSON.parse(await readFile(join(client, 'package.json'), 'utf8'))).not.toHaveProperty(
    'dependencies',
  );
});
