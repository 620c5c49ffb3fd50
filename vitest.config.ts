import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

const which = process.env['BATCHWELL_TESTS'];
const tallyFile = process.env['BATCHWELL_TALLY_FILE'];

/** Sets of tests that need other programs: each has an npm script of its own. */
const alone: Readonly<Record<string, string[]>> = {
  interop: ['test/interop/**/*.test.ts'],
  observability: ['test/observability/**/*.test.ts'],
  page: ['test/page/**/*.test.ts'],
};

export default defineConfig({
  test: {
    // Interop tests need other programs: they belong to `npm run test:interop`. Those for Debian's
    // awscli run everywhere and skip where it is missing.
    include: alone[which ?? ''] ?? [
      'test/{unit,properties,contract,flow,crash}/**/*.test.ts',
      'packages/*/test/**/*.test.ts',
      'test/interop/awscli-*.test.ts',
    ],
    globalSetup: ['test/global-setup.ts'],
    pool: 'forks',
    // The smallest supported machine has 2 cores. Each file starts servers of its own, and waits much.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    // What takes 1 s on a quiet machine took 20 s with three suites at once.
    testTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // A hook may start a database. On a busy machine the first start takes several seconds.
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    reporters: ['default', ...(tallyFile === undefined ? [] : ['./test/tally-reporter.ts'])],
  },
});
