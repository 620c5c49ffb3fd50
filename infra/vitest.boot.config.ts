import { defineConfig } from 'vitest/config';

/** One machine at a time. Where the processor cannot help, a boot takes three minutes. */
export default defineConfig({
  test: {
    include: ['test/boot/*.boot.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    reporters: ['verbose'],
  },
});
