/** Cases that `npm run test:long` adds: `npm test` has nine minutes. */
export const isLong = process.env['BATCHWELL_TESTS'] === 'long';

const everyNth =
  (n: number) =>
  <T>(cases: readonly T[]): T[] =>
    cases.filter((_, at) => isLong || at % n === 0);

/** All of them in a long run; every second one otherwise. */
export const everySecond = everyNth(2);
/** The same with every third. */
export const everyThird = everyNth(3);
