/**
 * The handler of each operation. An operation of the service model without one answers
 * NotImplemented.
 */
import type { Handler } from '../context.ts';
import {
  deregisterJobDefinition,
  describeJobDefinitions,
  registerJobDefinition,
} from './job-definitions.ts';
import {
  createComputeEnvironment,
  createJobQueue,
  deleteComputeEnvironment,
  deleteJobQueue,
  describeComputeEnvironments,
  describeJobQueues,
  getJobQueueSnapshot,
  updateComputeEnvironment,
  updateJobQueue,
} from './job-queues.ts';
import { cancelJob, describeJobs, terminateJob } from './jobs.ts';
import { listJobs } from './list-jobs.ts';
import { submitJob } from './submit-job.ts';
import { listTagsForResource, tagResource, untagResource } from './tags.ts';

export const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['RegisterJobDefinition', registerJobDefinition],
  ['DescribeJobDefinitions', describeJobDefinitions],
  ['DeregisterJobDefinition', deregisterJobDefinition],
  ['SubmitJob', submitJob],
  ['DescribeJobs', describeJobs],
  ['ListJobs', listJobs],
  ['CancelJob', cancelJob],
  ['TerminateJob', terminateJob],
  ['CreateJobQueue', createJobQueue],
  ['UpdateJobQueue', updateJobQueue],
  ['DeleteJobQueue', deleteJobQueue],
  ['DescribeJobQueues', describeJobQueues],
  ['GetJobQueueSnapshot', getJobQueueSnapshot],
  ['CreateComputeEnvironment', createComputeEnvironment],
  ['UpdateComputeEnvironment', updateComputeEnvironment],
  ['DeleteComputeEnvironment', deleteComputeEnvironment],
  ['DescribeComputeEnvironments', describeComputeEnvironments],
  ['ListTagsForResource', listTagsForResource],
  ['TagResource', tagResource],
  ['UntagResource', untagResource],
]);
