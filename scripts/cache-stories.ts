/** `npm run test:cache -- --stories 1000 [--from 1] [--lanes 2]`: the long run of the call cache's stories. */
import { parseArgs } from 'node:util';
import type { Played } from '../test/flow/cache-story-play.ts';
import { defaultLanes, playSeeds, requireCounts } from './play-seeds.ts';

/** Starting vitest and its servers takes about 4 s, a story less than 1. */
const STORIES_PER_PART = 50;

/** Returns the exit code. */
export async function playCacheStories(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      stories: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      lanes: { type: 'string', default: defaultLanes },
    },
  });
  requireCounts(values);
  const seeds = Number(values.stories);
  const { stories, path } = await playSeeds<Played>({
    file: 'test/flow/cache-stories.test.ts',
    seeds,
    from: Number(values.from),
    lanes: Number(values.lanes),
    storiesPerPart: STORIES_PER_PART,
    prefix: 'BATCHWELL_STORY',
    name: 'cache-stories',
  });
  const sum = (of: (one: Played) => number): number =>
    stories.reduce((total, one) => total + of(one), 0);
  console.log(`
stories that held     ${stories.length} of ${seeds}
tasks                 ${sum(({ tasks }) => tasks)}
hits                  ${sum(({ hits }) => hits)}
outputs recomputed    of ${sum(({ compared }) => compared)} tasks
failed for an input   ${sum(({ failed }) => failed)}
inputs changed        ${sum(({ changes }) => changes)} times
outputs changed       ${sum(({ spoiled }) => spoiled)} times
report                ${path}`);
  return stories.length === seeds ? 0 : 1;
}
