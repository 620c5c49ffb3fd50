/**
 * `npm run test:cache -- --stories 1000` and `-- --pairs 1000`: the long tests of the call cache.
 * The first option says which; the others belong to it.
 */
import { tryCachePairs } from './cache-pairs.ts';
import { playCacheStories } from './cache-stories.ts';

const runs: Record<string, (args: string[]) => Promise<number>> = {
  '--stories': playCacheStories,
  '--pairs': tryCachePairs,
};

const args = process.argv.slice(2);
const [first = ''] = args;
const run = runs[first.split('=')[0] ?? ''];
if (!run) {
  console.error(`Say what to test: npm run test:cache -- ${Object.keys(runs).join(' N, or ')} N`);
  process.exitCode = 2;
} else process.exitCode = await run(args);
