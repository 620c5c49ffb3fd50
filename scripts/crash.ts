/**
 * `npm run test:crash -- [--seeds 1000] [--from 1] [--lanes 2]`: the long crash run. Plays stories
 * in parts, several parts side by side, shows its progress, and sums them up in a report. Continue
 * an interrupted run with `--from`.
 */
import { parseArgs } from 'node:util';
import { defaultLanes, playSeeds, requireCounts } from './play-seeds.ts';

interface StoryReport {
  seed: number;
  kills: number;
  bites: number;
  spotLosses: number;
  hostFaults: number;
  submitJobs: number;
  tasks: number;
  emptied: boolean;
  cut: boolean;
  restarts: number;
}

/** Starting vitest and its MariaDB takes about 2 s, a story about 4. */
const STORIES_PER_PART = 20;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    lanes: { type: 'string', default: defaultLanes },
  },
});
requireCounts(values);
const seeds = Number(values.seeds);

const { stories, path } = await playSeeds<StoryReport>({
  file: 'test/crash/seeds.test.ts',
  seeds,
  from: Number(values.from),
  lanes: Number(values.lanes),
  storiesPerPart: STORIES_PER_PART,
  prefix: 'BATCHWELL_CRASH',
  name: 'crash',
});
const sum = (of: (one: StoryReport) => number): number =>
  stories.reduce((total, one) => total + of(one), 0);
console.log(`
stories that held     ${stories.length} of ${seeds}
tasks                 ${sum(({ tasks }) => tasks)}
workers killed        ${sum(({ kills }) => kills)}
faults that bit       ${sum(({ bites }) => bites)}
hosts lost            ${sum(({ spotLosses }) => spotLosses)}
hosts that failed     ${sum(({ hostFaults }) => hostFaults)}
Redis emptied         ${sum(({ emptied }) => Number(emptied))} times
connections cut       ${sum(({ cut }) => Number(cut))} times
Redis or MariaDB      killed and restarted ${sum(({ restarts }) => restarts)} times
SubmitJob requests    ${sum(({ submitJobs }) => submitJobs)}
report                ${path}`);
process.exitCode = stories.length === seeds ? 0 : 1;
