/** Examples of what the page reads and of what operators do, by operation. */
const TASK = 'task-2s-9f31c4';
const SCATTER = 'scatter-1-0c8d11';
const AT = '2026-11-29T19:15:04.211Z';
const LATER = '2026-11-29T19:15:34.900Z';
const GROUP = '5b1c0f6a9d3e4b7782a1c4d5e6f70819';

const summary = {
  id: TASK,
  name: 'align NA12878',
  state: 'QUEUED',
  place: 'poll',
  since: AT,
  created: AT,
  scatter: SCATTER,
  row: 58,
  attempt: 1,
  cache_hit: false,
  waiting: 'It has waited in the job queue spot since 19:15 UTC.',
};
const stage = {
  stage: 'poll',
  tasks: 58,
  oldest_seconds: 30.7,
  messages: 0,
  message_seconds: 0,
  laid_aside: 0,
  paused: false,
  workers: 2,
  active: 1,
  concurrency: 2,
};
const overview = {
  at: LATER,
  counted: LATER,
  health: 'ok',
  problems: [],
  running: 2,
  stages: [stage],
  hold_up: { stage: 'poll', message: '58 tasks at poll: they wait in AWS Batch for a host.' },
  waiting: {
    who: 'batch',
    batch: 58,
    batchwell: 0,
    message: 'AWS Batch: 58 tasks wait there, and 0 here.',
  },
  drain: { backlog: 60, per_minute: 19, seconds: 186 },
  queues: [
    { queue: 'spot', tasks: 60, runnable: 58, running: 2, oldest_seconds: 30.7, held_up: 0 },
  ],
  owners: [{ owner: 'ann', tasks: 60, running: 2, vcpus: 8, cost_per_hour: 0.32 }],
  other_tasks: 0,
  cost: { per_hour: 0.32, currency: 'USD', prices: 'List prices of us-east-1' },
  cache: { hits: 394, vcpu_hours: 120.5, gib_hours: 241, cost: 5.9 },
};
const failures = {
  failed: 9,
  more: false,
  groups: [
    {
      key: GROUP,
      code: 'executor-failed',
      message: 'The command exited with code 3.',
      tasks: 9,
      first: AT,
      last: LATER,
      examples: [TASK],
    },
  ],
};
const worker = {
  id: 'worker-3f2a',
  host: 'ip-10-0-1-7',
  pid: 41,
  version: '0.1.0',
  started: AT,
  state: 'working',
  silent_seconds: 1.2,
  stages: [{ stage: 'poll', active: 1, concurrency: 2 }],
};
const message = {
  stage: 'finalize',
  id: '812',
  tries: 10,
  error: 'connect ECONNREFUSED',
  failed: LATER,
  tasks: 500,
  task_ids: [TASK],
};

export const fleetExamples = {
  GetSession: {
    reply: { owner: 'ann', scopes: ['read', 'submit'], tokens_required: true, version: '0.1.0' },
  },
  GetOverview: { reply: overview },
  ListSummaries: { reply: { tasks: [summary], next_page_token: 'MTAw' } },
  ListOldestSummaries: { reply: { tasks: [summary] } },
  GetTaskSummary: { reply: summary },
  ListFailures: { reply: failures },
  GetScatterSteps: {
    reply: { steps: [{ step: 'submitted', tasks: 60, mean_ms: 900, longest_ms: 1400 }] },
  },
  RetryScatter: { body: { groups: [GROUP] }, reply: { id: 'scatter-2-43435a', tasks: 9 } },
  RetryTask: { body: {}, reply: { id: 'task-7q-85e3dd' } },
  PauseStage: { reply: {} },
  ResumeStage: { reply: {} },
  ListWorkers: { reply: { workers: [worker] } },
  DrainWorker: { reply: {} },
  ResumeWorker: { reply: {} },
  ListLaidAsideMessages: { reply: { messages: [message] } },
  RetryMessages: { body: { stage: 'finalize' }, reply: { retried: 1 } },
} as const;
