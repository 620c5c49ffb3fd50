import { defineConfig } from 'vitest/config';

// Suites that need other programs: `npm run test:interop`, `npm run test:page`.
const suite = ['interop', 'page'].find((name) => process.env['BATCHWELL_TESTS'] === name);
const tallyFile = process.env['BATCHWELL_TALLY_FILE'];

export default defineConfig({
  test: {
    // The interop tests for Debian's awscli run everywhere and skip where it is missing.
    include: suite
      ? [`test/${suite}/**/*.test.ts`]
      : [
          'test/{unit,properties,contract,flow,crash}/**/*.test.ts',
          'packages/*/test/**/*.test.ts',
          'test/interop/awscli-*.test.ts',
        ],
    globalSetup: ['test/global-setup.ts'],
    pool: 'forks',
    // The smallest supported machine has 2 cores. Each file starts servers of its own, and waits much.
    maxWorkers: 4,
    // What takes 1 s on a quiet machine took 20 s with three suites at once.
    testTimeout: 60_000,
    // A hook may start a database. On a busy machine the first start takes several seconds.
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    reporters: ['default', ...(tallyFile === undefined ? [] : ['./test/tally-reporter.ts'])],
  },
});
