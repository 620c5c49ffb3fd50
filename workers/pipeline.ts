/**
 * The five stages, in the order in which a task passes them. What each does is in stages/; how they
 * are run is in run-stage.ts.
 */
import type { Stage } from '../core/places.ts';
import type { Messages } from '../queues/messages.ts';
import type { Runtime, StageOutcome } from './runtime.ts';
import { cacheCheck } from './stages/cache-check/cache-check.ts';
import { finalize } from './stages/finalize/finalize.ts';
import { poll } from './stages/poll/poll.ts';
import { stageScript } from './stages/stage-script/stage-script.ts';
import { submit } from './stages/submit/submit.ts';

interface PipelineRow<S extends Stage> {
  run(runtime: Runtime, message: Messages[S]): Promise<StageOutcome>;
  /**
   * Messages worked on at once in one process. Most of the time is spent waiting for MySQL and S3.
   */
  concurrency: number;
}

export const pipeline: { readonly [S in Stage]: PipelineRow<S> } = {
  'cache-check': { run: cacheCheck, concurrency: 4 },
  'stage-script': { run: stageScript, concurrency: 4 },
  // A new shape takes four calls to AWS, about 300 ms: 16 at once keep up with Batch's 50 a second.
  submit: { run: submit, concurrency: 16 },
  poll: { run: poll, concurrency: 4 },
  finalize: { run: finalize, concurrency: 4 },
};
