/** Examples of requests and replies, by operation. A test holds them to the schemas beside them. */
import { fleetExamples } from './fleet-examples.ts';

interface Example {
  body?: object;
  /** Of status 200, where that is JSON. */
  reply?: object;
}

const TASK = 'task-2s-9f31c4';
const SCATTER = 'scatter-1-0c8d11';
const AT = '2026-11-29T19:15:04.211Z';
const LATER = '2026-11-29T19:15:34.900Z';

const executor = {
  image: 'quay.io/biocontainers/bwa:0.7.18',
  command: ['sh', '-c', 'bwa mem /ref/genome.fa /in/reads.fq > /out/reads.sam'],
};
const task = {
  name: 'align NA12878',
  inputs: [
    { url: 's3://lab/reads/NA12878.fq', path: '/in/reads.fq' },
    { url: 's3://lab/ref', path: '/ref', type: 'DIRECTORY' },
  ],
  outputs: [{ url: 's3://lab/aligned/NA12878.sam', path: '/out/reads.sam' }],
  resources: { cpu_cores: 4, ram_gb: 8, disk_gb: 50, preemptible: true },
  executors: [executor],
  tags: { run: '44' },
};
const shown = {
  id: TASK,
  state: 'QUEUED',
  ...task,
  logs: [
    {
      logs: [{ exit_code: -1 }],
      outputs: [],
      metadata: {
        attempt: '1',
        submission: '919734572357e4df3b040a24a6b444fa',
        queue: 'spot',
        batch_job_id: 'ea6954bb-a501-42c7-8dcf-27e70d61b320:59',
        waiting:
          'It has waited in the job queue spot since 19:15 UTC. 54 tasks of this fleet are ahead of it.',
        waiting_for: 'capacity',
        waiting_since: AT,
        waiting_ahead: '54',
      },
    },
  ],
  creation_time: AT,
};
const serviceInfo = {
  id: 'batchwell',
  name: 'Batchwell',
  type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
  description: 'Runs scientific tasks on AWS Batch.',
  organization: { name: 'Lab', url: 'https://lab.example' },
  documentationUrl: 'https://lab.example/batchwell',
  version: '0.1.0',
  storage: ['s3://'],
  tesResources_backend_parameters: ['queue', 'priority'],
};
const scatterHead = {
  id: SCATTER,
  name: 'alignments',
  size: 200,
  tags: { run: '44' },
  created: AT,
};
const scatter = {
  ...scatterHead,
  places: {
    'cache-check': 0,
    'stage-script': 0,
    submit: 0,
    poll: 120,
    finalize: 0,
    done: 79,
    failed: 1,
    cancelled: 0,
  },
  states: {
    QUEUED: 104,
    RUNNING: 16,
    COMPLETE: 79,
    EXECUTOR_ERROR: 1,
    SYSTEM_ERROR: 0,
    CANCELED: 0,
  },
  waiting: { capacity: 104 },
  cache_hits: 12,
  ended: false,
};
const difference = {
  part: 'input 1',
  brief: 'input 1 differs',
  says: 'Input 1 (/in/reads.fq) holds something else.',
  here: 's3://lab/reads/NA12878.fq',
  there: 's3://lab/reads/NA12891.fq',
};
const entry = {
  task: TASK,
  name: 'align NA12878',
  created: AT,
  usable: true,
  run_seconds: 412,
  hits: 3,
  last_hit: LATER,
};
const output = {
  url: 's3://lab/aligned/NA12878.sam',
  path: '/out/reads.sam',
  size_bytes: 1_284_004_112,
};
const changed = {
  entries: 12,
  dry_run: true,
  examples: [{ task: TASK, name: 'align NA12878' }],
};
const call = {
  executionStatus: 'Done',
  allowResultReuse: true,
  callFqn: 'main.align',
  jobIndex: -1,
  workflowId: '0c8d11c4-9f31-4a2b-8f0e-7d1c2b3a4f5e',
};
const token = {
  id: 7,
  owner: 'ann',
  name: 'pipeline of ann',
  scopes: ['submit', 'read', 'cancel'],
  cache_domain: 'ann',
  created: AT,
};
const webhook = {
  id: 3,
  url: 'https://lab.example/batchwell',
  events: ['scatter.ended'],
  tags: { run: '44' },
  created: AT,
};

export const examples: Readonly<Record<string, Example>> = {
  ...fleetExamples,
  GetServiceInfo: { reply: serviceInfo },
  CreateTask: { body: task, reply: { id: TASK } },
  ListTasks: {
    reply: { tasks: [{ id: TASK, state: 'RUNNING' }], next_page_token: 'MTAw' },
  },
  GetTask: { reply: shown },
  CancelTask: { reply: {} },
  CancelTaskByDelete: { reply: {} },
  CreateScatter: {
    body: {
      name: 'alignments',
      tags: { run: '44' },
      template: {
        name: 'align {{sample}}',
        inputs: [{ url: 's3://lab/reads/{{sample}}.fq', path: '/in/reads.fq' }],
        outputs: [{ url: 's3://lab/aligned/{{sample}}.sam', path: '/out/reads.sam' }],
        executors: [executor],
      },
      rows: [{ sample: 'NA12878' }, { sample: 'NA12891' }],
    },
    reply: { id: SCATTER, tasks: 2, equal_rows: 0 },
  },
  ListScatters: { reply: { scatters: [scatterHead] } },
  GetScatter: { reply: scatter },
  ListScatterTasks: { reply: { tasks: [{ id: TASK, state: 'EXECUTOR_ERROR' }] } },
  CancelScatter: { reply: { cancelled: 104 } },
  CancelScatterByDelete: { reply: { cancelled: 104 } },
  ExplainScatterCache: {
    reply: {
      explanation: ['12 of 200 tasks were hits.'],
      groups: [{ tasks: 188, text: 'an input holds something new', example: TASK }],
    },
  },
  GetTaskTimeline: {
    reply: { spans: [{ what: 'cache-check', from: AT, to: LATER, ms: 30_689 }] },
  },
  GetTaskUsage: {
    reply: {
      asked: { cpu_cores: 4, ram_gb: 8, disk_gb: 50 },
      attempts: [
        {
          attempt: 1,
          executors: [
            {
              wall_seconds: 412.3,
              cpu_seconds: 1511.07,
              peak_memory_bytes: 5_905_580_032,
              read_bytes: 4_101_220_887,
              written_bytes: 1_284_004_112,
            },
          ],
        },
      ],
    },
  },
  ExplainTaskCache: {
    reply: {
      explanation: ['Input 1 (/in/reads.fq) holds something else than in an earlier task.'],
      verdict: 'miss',
      decision: { verdict: 'miss', reason: 'no-entry' },
      nearest: { task: TASK, name: 'align NA12891', created: AT, differences: [difference] },
      unreadable_inputs: [],
    },
  },
  CancelTasks: { body: { tags: { run: '44' } }, reply: { cancelled: 104, unknown_ids: [] } },
  ValidateTask: {
    body: task,
    reply: {
      warnings: [],
      client: 'generic',
      queue: 'spot',
      job_definition: { jobDefinitionName: 'batchwell-4f1c', type: 'container' },
      script: '#!/bin/sh\n…\n',
      cache: {
        mode: 'readwrite',
        verdict: 'miss',
        unreadable_inputs: [],
        explanation: ['No earlier task has these inputs.'],
      },
    },
  },
  ListCacheEntries: { reply: { entries: [entry] } },
  GetCacheEntry: { reply: { ...entry, warnings: [], outputs: [output], hidden_outputs: 0 } },
  GetCacheStats: {
    reply: {
      entries: 10_212,
      unusable_entries: 4,
      saved: { hits: 884, vcpu_hours: 3120.5, gib_hours: 6241, copied_bytes: 88_102_334_001 },
      by_name: [
        {
          name: 'align',
          hits: 812,
          vcpu_hours: 3001.2,
          gib_hours: 6002.4,
          copied_bytes: 80_000_000_000,
          last_hit: LATER,
        },
      ],
    },
  },
  DiffCalls: {
    reply: {
      callA: call,
      callB: { ...call, jobIndex: 1 },
      hashDifferential: [{ hashKey: 'input: File reads', callA: '4a1f09c2', callB: '77b0de31' }],
    },
  },
  ExportCacheEntries: {
    reply: {
      entries: [
        {
          task: TASK,
          name: 'align NA12878',
          created: AT,
          fingerprint: 'ab'.repeat(32),
          usable: true,
          run_seconds: 412,
          hits: 3,
          warnings: [],
          inputs: [],
          outputs: [
            { ...output, crc64nvme: 'wUU2gGmYNtE=', etag: 'd41d8cd98f00b204e9800998ecf8427e' },
          ],
        },
      ],
    },
  },
  InvalidateCacheEntries: {
    body: {
      output_prefix: 's3://lab/aligned/',
      reason: 'The reference was wrong.',
      dry_run: true,
    },
    reply: changed,
  },
  PruneCacheEntries: { body: { unused_days: 90, dry_run: true }, reply: changed },
  CreateToken: {
    body: { owner: 'ann', name: 'pipeline of ann', scopes: ['submit', 'read', 'cancel'] },
    reply: { ...token, token: 'the-token-which-is-shown-only-here' },
  },
  ListTokens: { reply: { tokens: [token] } },
  RevokeToken: { reply: {} },
  GetLogLevel: { reply: { level: 'info' } },
  SetLogLevel: {
    body: { level: 'debug', minutes: 15 },
    reply: { level: 'debug', wanted: 'debug' },
  },
  ResetLogLevel: { reply: { level: 'info' } },
  CreateWebhook: {
    body: {
      url: 'https://lab.example/batchwell',
      events: ['scatter.ended'],
      tags: { run: '44' },
    },
    reply: { ...webhook, secret: 'whsec_shown-only-here' },
  },
  ListWebhooks: { reply: { webhooks: [webhook] } },
  DeleteWebhook: { reply: {} },
  PingWebhook: { reply: {} },
  ListDeliveries: {
    reply: {
      deliveries: [
        {
          id: 19,
          state: 'delivered',
          tries: 1,
          outcome: 'answered 200',
          created: AT,
          ended: LATER,
          body: '{"type":"scatter.ended"}',
        },
      ],
    },
  },
  Redeliver: { reply: {} },
};
