/** What `npm pack` makes, installed without a network in an empty folder and run there. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLong } from '../long.ts';
import { repositoryRoot } from '../repository.ts';

const SLOW_MS = 900_000;

// Packing and unpacking 15,000 files takes a minute.
describe.runIf(isLong)('the package', () => {
  let folder: string;
  const run = (program: string, words: readonly string[], cwd = folder) =>
    promisify(execFile)(program, words, { cwd, maxBuffer: 1 << 26 });

  const packAndInstall = async (source: string): Promise<void> => {
    await run('npm', ['pack', '--silent', '--pack-destination', folder], source);
    const packed = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    await run('npm', [
      'install',
      '--offline',
      '--omit=optional',
      '--no-audit',
      '--no-fund',
      ...packed.map((name) => `./${name}`),
    ]);
  };

  // One for each package: a second install into a folder also looks for the peers of the first one, such as the types
  // of mysql2's peer @types/node, in npm's cache.
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'batchwell-packed-'));
  });
  afterEach(async () => rm(folder, { recursive: true, force: true }));

  it(
    'runs the demo, with nothing but Node on the machine',
    async () => {
      await packAndInstall(repositoryRoot);
      const cli = join(folder, 'node_modules/.bin/batchwell');
      expect((await run(cli, ['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
      const demo = await run(cli, ['demo', '--tasks', '4']);
      expect(demo.stdout).toContain('All 5 tasks were cache hits');
      expect(demo.stdout).toContain('npx batchwell up');
    },
    SLOW_MS,
  );

  it(
    '@batchwell/client is JavaScript with types, and runs',
    async () => {
      await packAndInstall(join(repositoryRoot, 'packages/client'));
      await writeFile(
        join(folder, 'use.mjs'),
        "import { openClient } from '@batchwell/client';\nconsole.log(openClient({ url: 'http://127.0.0.1:1' }).url);\n",
      );
      expect((await run(process.execPath, ['use.mjs'])).stdout).toContain('http://127.0.0.1:1');
      const client = dirname(join(folder, 'node_modules/@batchwell/client/package.json'));
      expect(await readdir(join(client, 'dist'))).toContain('client.d.ts');
    },
    SLOW_MS,
  );
});
