/** Cases that `npm run test:long` adds: `npm test` has nine minutes. */
export const isLong = process.env['BATCHWELL_TESTS'] === 'long';

/** All of them in a long run; every second one otherwise. */
export const everySecond = <T>(cases: readonly T[]): T[] =>
  cases.filter((_, at) => isLong || at % 2 === 0);
