import { defineConfig } from 'vitest/config';

const interopOnly = process.env['BATCHWELL_TESTS'] === 'interop';
const tallyFile = process.env['BATCHWELL_TALLY_FILE'];

export default defineConfig({
  test: {
    // Interop tests need foreign programs and belong to `npm run test:interop`; those of Debian's awscli skip where it is missing.
    include: interopOnly
      ? ['test/interop/**/*.test.ts']
      : [
          'test/{unit,properties,contract,flow,crash}/**/*.test.ts',
          'packages/*/test/**/*.test.ts',
          'test/interop/awscli-*.test.ts',
        ],
    globalSetup: ['test/global-setup.ts'],
    pool: 'forks',
    // The smallest machine we promise has 2 cores, and each file starts servers of its own.
    maxWorkers: 2,
    // What takes a second on a quiet machine took twenty with three suites at once.
    testTimeout: 60_000,
    // A hook may start a database; the first one on a busy machine takes seconds.
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    reporters: ['default', ...(tallyFile === undefined ? [] : ['./test/tally-reporter.ts'])],
  },
});
