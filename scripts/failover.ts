/**
 * `npm run test:failover -- [--seeds 20] [--from 1] [--lanes 1]`: Redis and MariaDB fail over again
 * and again under load. Each story has four servers, so one lane is enough for two cores.
 */
import { parseArgs } from 'node:util';
import { playSeeds, requireCounts } from './play-seeds.ts';

interface FailoverReport {
  seed: number;
  tasks: number;
  redis: number;
  mysql: number;
  slowestMs: number;
}

const STORIES_PER_PART = 5;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '1' },
  },
});
requireCounts(values);
const seeds = Number(values.seeds);

const { stories, path } = await playSeeds<FailoverReport>({
  file: 'test/crash/failovers.test.ts',
  seeds,
  from: Number(values.from),
  lanes: Number(values.lanes),
  storiesPerPart: STORIES_PER_PART,
  prefix: 'BATCHWELL_FAILOVER',
  name: 'failover',
});
const sum = (of: (one: FailoverReport) => number): number =>
  stories.reduce((total, one) => total + of(one), 0);
console.log(`
stories that held     ${stories.length} of ${seeds}
tasks                 ${sum(({ tasks }) => tasks)}
failovers of Redis    ${sum(({ redis }) => redis)}
failovers of MariaDB  ${sum(({ mysql }) => mysql)}
slowest recovery      ${stories.reduce((slowest, one) => Math.max(slowest, one.slowestMs), 0)} ms
report                ${path}`);
process.exitCode = stories.length === seeds ? 0 : 1;
