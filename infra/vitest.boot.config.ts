import { defineConfig } from 'vitest/config';

/** One machine at a time. Where the processor cannot help, a boot takes three minutes. */
export default defineConfig({
  test: {
    include: ['test/boot/*.boot.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 900_000,
    reporters: ['verbose'],
  },
});
