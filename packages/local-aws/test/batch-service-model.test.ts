/** The check of requests and replies against AWS’s own model. */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BatchContext } from '../batch/context.ts';
import { createDefinitions } from '../batch/definitions.ts';
import { Engine } from '../batch/engine.ts';
import { createJobStore } from '../batch/job-store.ts';
import { createQueues } from '../batch/queues.ts';
import { createFaults } from '../faults.ts';
import { createLedger } from '../ledger.ts';
import { problemsOf } from '../batch/service-model.ts';
import { operate } from '../batch/requests.ts';
import { instant } from './batch-world.ts';

function contextWithOneQueue(): BatchContext {
  const faults = createFaults();
  const journal = { write: () => undefined, flush: () => undefined, close: () => undefined };
  const store = createJobStore({ finishedMs: 1, finishedJobs: 1 });
  const queues = createQueues(() => undefined);
  queues.put({ name: 'batchwell', state: 'ENABLED', priority: 1, environments: [], tags: {} });
  const setting = {
    store,
    journal,
    faults,
    runner: instant(),
    ledger: createLedger(),
    logFolder: '',
    dataFolder: '',
    jobEnvironment: {},
    startMs: 0,
    scheduleMs: 0,
    graceMs: 0,
    nowMs: Date.now,
  };
  const engine = new Engine(setting, () => queues);
  return {
    region: 'us-east-1',
    accountId: '0',
    minTimeoutSeconds: 60,
    lag: { definitionMs: 0, listMs: 0 },
    store,
    queues,
    engine,
    journal,
    faults,
    definitions: createDefinitions(),
    nowMs: Date.now,
  };
}

describe('the service model', () => {
  it('checks every request and reply', async () => {
    expect(
      problemsOf('SubmitJobRequest', {
        jobName: 'a',
        jobQueue: 1,
        arrayProperties: { size: 'x', sise: 2 },
      }),
    ).toEqual([
      'SubmitJobRequest.jobDefinition: is required',
      'SubmitJobRequest.jobQueue: expected string',
      'SubmitJobRequest.arrayProperties.size: expected integer',
      'SubmitJobRequest.arrayProperties.sise: no such member',
    ]);
    expect(
      problemsOf('ListJobsResponse', {
        jobSummaryList: [{ jobId: 'a', jobName: 'b', status: 'DONE' }],
      }),
    ).toEqual([expect.stringContaining('enum value set')]);
    const operation = {
      name: 'ListJobs',
      method: 'POST',
      requestUri: '/v1/listjobs',
      input: 'ListJobsRequest',
      output: 'CancelJobRequest',
    };
    // With another operation's output shape, the reply does not fit.
    const warnings: string[] = [];
    const hear = (warning: Error) => void warnings.push(warning.message);
    process.on('warning', hear);
    onTestFinished(() => void process.off('warning', hear));
    expect(operate(contextWithOneQueue(), operation, { jobQueue: 'batchwell' })).toMatchObject({
      status: 500,
      message: expect.stringContaining("violates AWS's service model"),
    });
    await expect.poll(() => warnings).toEqual([expect.stringContaining('violated AWS')]);
  });
});
