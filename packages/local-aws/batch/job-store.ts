/** Every job the local Batch remembers, found by id, by queue and by name. */
import { createJobGroup } from './job-group.ts';
import type { Job, JobGroup, Submission } from './jobs.ts';

export interface JobStore {
  /** Creates the job, and all its children if it is an array, as SUBMITTED. */
  add(submission: Submission): Job;
  /** A job, or a child as `<parent>:<index>`. */
  get(jobId: string): Job | undefined;
  /** The single jobs and array parents of a queue. */
  ofQueue(queueName: string): JobGroup;
  /** The jobs of one name, ignoring case, oldest first. */
  named(queueName: string, jobName: string): readonly Job[];
  /** Must be called when a single job or a parent ends, so that it is forgotten in time. */
  ended(job: Job): void;
  /** Forgets ended jobs that are too old or too many. */
  forgetOld(nowMs: number): void;
  /** Single jobs and parents. */
  all(): Iterable<Job>;
  size(): number;
}

export interface Keeping {
  /** How long ended jobs are kept. */
  finishedMs: number;
  /** How many ended jobs are kept at most. */
  finishedJobs: number;
}

function createChildren(parent: Job, size: number): JobGroup {
  const children = createJobGroup();
  for (let ordinal = 0; ordinal < size; ordinal += 1) {
    children.add({
      submission: parent.submission,
      group: children,
      ordinal,
      status: 'SUBMITTED',
      attempts: [],
      waitingFor: 0,
      parent,
    });
  }
  return children;
}

function dropNamesake(names: Map<string, Job[]>, job: Job): void {
  const name = job.submission.jobName.toLowerCase();
  const left = (names.get(name) ?? []).filter((other) => other !== job);
  if (left.length > 0) names.set(name, left);
  else names.delete(name);
}

interface QueueIndex {
  group: JobGroup;
  names: Map<string, Job[]>;
}

function indexOf(queues: Map<string, QueueIndex>, queueName: string): QueueIndex {
  let queue = queues.get(queueName);
  if (queue === undefined) {
    queue = { group: createJobGroup(), names: new Map() };
    queues.set(queueName, queue);
  }
  return queue;
}

function addTo({ group, names }: QueueIndex, submission: Submission): Job {
  const job: Job = {
    submission,
    group,
    ordinal: group.size(),
    status: 'SUBMITTED',
    attempts: [],
    waitingFor: 0,
  };
  if (submission.arraySize !== undefined) job.children = createChildren(job, submission.arraySize);
  group.add(job);
  const name = submission.jobName.toLowerCase();
  const namesakes = names.get(name);
  if (namesakes === undefined) names.set(name, [job]);
  else namesakes.push(job);
  return job;
}

function findJob(byId: ReadonlyMap<string, Job>, jobId: string): Job | undefined {
  const colon = jobId.indexOf(':');
  if (colon < 0) return byId.get(jobId);
  const index = jobId.slice(colon + 1);
  return /^\d{1,5}$/.test(index)
    ? byId.get(jobId.slice(0, colon))?.children?.at(Number(index))
    : undefined;
}

/** @param onForgotten called with each forgotten job, so that its logs can be removed */
export function createJobStore(
  keeping: Keeping,
  onForgotten: (job: Job) => void = () => undefined,
): JobStore {
  const byId = new Map<string, Job>();
  const queues = new Map<string, QueueIndex>();
  const finished: Job[] = [];
  let forgotten = 0;

  function forget(job: Job): void {
    const { group, names } = indexOf(queues, job.submission.queueName);
    dropNamesake(names, job);
    group.remove(job);
    byId.delete(job.submission.jobId);
    onForgotten(job);
  }

  return {
    add(submission) {
      const job = addTo(indexOf(queues, submission.queueName), submission);
      byId.set(submission.jobId, job);
      return job;
    },
    get: (jobId) => findJob(byId, jobId),
    ofQueue: (queueName) => indexOf(queues, queueName).group,
    named: (queueName, jobName) =>
      indexOf(queues, queueName).names.get(jobName.toLowerCase()) ?? [],
    ended: (job) => void finished.push(job),
    forgetOld(nowMs) {
      for (let job = finished[forgotten]; job !== undefined; job = finished[forgotten]) {
        const isOld = nowMs - (job.stoppedAtMs ?? nowMs) > keeping.finishedMs;
        if (!isOld && finished.length - forgotten <= keeping.finishedJobs) break;
        forget(job);
        forgotten += 1;
      }
      // Not for each job forgotten: a splice costs the length of the list.
      if (forgotten * 2 > finished.length) {
        finished.splice(0, forgotten);
        forgotten = 0;
      }
    },
    all: () => byId.values(),
    size: () => byId.size,
  };
}
