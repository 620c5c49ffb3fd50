// cspell:ignore PYTHONDONTWRITEBYTECODE
/** The Python client, by its own tests: against servers that misbehave, and against the API. */
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { repositoryRoot } from '../repository.ts';

const SLOW_MS = 120_000;
const VERSION = 'import sys; sys.exit(sys.version_info < (3, 9))';
const hasPython = spawnSync('python3', ['-c', VERSION]).status === 0;

describe.runIf(hasPython)('the Python client', () => {
  let world: ApiWorld;
  beforeAll(async () => {
    world = await startApiWorld({ tokens: ['ann:secret-a'] });
  });
  afterAll(() => world.close());

  test(
    'submits, waits, follows, cancels, and retries, whatever the connection does',
    async () => {
      const { stderr } = await promisify(execFile)('python3', ['-m', 'unittest', '-v'], {
        cwd: join(repositoryRoot, 'clients/python'),
        env: {
          PATH: process.env['PATH'],
          BATCHWELL_URL: world.url,
          BATCHWELL_TOKEN: 'secret-a',
          PYTHONDONTWRITEBYTECODE: '1',
        },
      });
      expect(stderr).toMatch(/^Ran 1[2-9] tests/m);
      expect(stderr).toMatch(/^OK$/m);
    },
    SLOW_MS,
  );
});
