/**
 * Counts for the last line of the runner. Written to a file, so that they survive a later crash of
 * vitest.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export interface Tally {
  passed: number;
  failed: number;
}

/**
 * A file that could not be loaded, a failed hook and an error outside any test each count as one
 * failure.
 */
export function tally(
  modules: readonly TestModule[],
  unhandledErrors: readonly SerializedError[],
): Tally {
  let passed = 0;
  let failed = unhandledErrors.length;
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      if (state === 'failed') failedHere += 1;
    }
    if (failedHere === 0 && !module.ok()) failedHere = 1;
    failed += failedHere;
  }
  return { passed, failed };
}

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const file = process.env['BATCHWELL_TALLY_FILE'];
    if (file !== undefined) writeFileSync(file, JSON.stringify(tally(modules, unhandledErrors)));
  }
}
