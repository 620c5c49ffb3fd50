/**
 * What this version writes for other processes to read: messages in Redis, and objects in the work
 * bucket. Recorded for each version in test/fixtures/versions, so that later ones read it.
 */
import { formatLease } from '../core/installation/lease.ts';
import { encodeResultKey } from '../core/result/result-key.ts';
import { sealResultBody } from '../core/result/result-body.ts';
import { encodeStartKey } from '../core/result/start-key.ts';
import type { ResultRecord } from '../core/result/result.ts';
import { encodeManifest } from '../core/submission/manifest.ts';
import { deduplicationId, type Nudge } from '../queues/messages.ts';
import type { WorkerStanding } from '../queues/fleet-workers.ts';

export const SECRET = Buffer.alloc(32, 5);
export const RECORDED = { secret: SECRET, index: 7, attempt: 2 };
export const STARTED_MS = 1_795_954_775_126;

const NUDGES: readonly Nudge[] = [
  { stage: 'cache-check', message: { tasks: [1, 2, 9_007_199_254_740_991] } },
  { stage: 'stage-script', message: { tasks: [3] } },
  { stage: 'submit', message: { shape: '00112233445566778899aabbccddeeff' } },
  { stage: 'submit', message: { submissions: [4, 5] } },
  { stage: 'poll', message: { queue: 'arn:aws:batch:us-east-1:123456789012:job-queue/spot' } },
  { stage: 'finalize', message: { tasks: [6] } },
];

const executor = { exitCode: 0, startedMs: STARTED_MS + 5, endedMs: STARTED_MS + 2005 };
const file = {
  output: 0,
  path: '',
  sizeBytes: 123,
  crc64nvme: 'AAAAAAAAAAA=',
  etag: '0123456789abcdef0123456789abcdef',
};
const common = { startedMs: STARTED_MS, endedMs: STARTED_MS + 3000, missingOutputs: [] };

export const MEASURED: ResultRecord = {
  ...common,
  executors: [{ ...executor, usage: { peakMemoryBytes: 4096, cpuMs: 17 } }],
  outputs: [],
};

/** One for each branch of the form. */
export const RECORDS: Readonly<Record<string, ResultRecord>> = {
  'not measured': { ...common, executors: [executor], outputs: [file] },
  measured: MEASURED,
  'measured with files': {
    ...common,
    executors: [
      {
        ...executor,
        exitCode: 3,
        usage: { peakMemoryBytes: 1_048_576, cpuMs: 17, readBytes: 5, writtenBytes: 0 },
      },
    ],
    outputs: [{ ...file, path: 'a/b', etag: `${file.etag}-12` }],
    missingOutputs: [1, 300],
    inputs: {
      digest: '00112233445566778899aabbccddeeff',
      sumsDigest: 'ffeeddccbbaa99887766554433221100',
      sums: ['0102030405060708', null],
    },
    warnings: ['The log was cut.'],
    leftOut: ['/out/socket is a socket.'],
  },
  failed: {
    ...common,
    executors: [],
    outputs: [],
    error: {
      kind: 'input',
      subject: 's3://lab/a.fq',
      message: 'Input 1 of 1 s3://lab/a.fq could not be read: SlowDown',
      transient: true,
    },
  },
};

export const LEASE = {
  installation: 'fa6fbc1e6a54f277',
  epoch: 2,
  nonce: '00112233445566778899aabbccddeeff',
  renewals: 3,
  holder: 'a holder',
};

const WORKER: Omit<WorkerStanding, 'id'> = {
  host: 'host-1',
  pid: 42,
  version: '0.1.0',
  startedMs: STARTED_MS,
  state: 'draining',
  stages: [{ stage: 'poll', active: 1, concurrency: 4 }],
};

export const MANIFEST = [
  { scriptSha256: 'ab'.repeat(32), values: '["one","ünïcode"]', attempt: '1.1' },
  { scriptSha256: 'cd'.repeat(32), values: '', attempt: '2.1' },
];

export interface WrittenForms {
  messages: { stage: string; data: unknown; deduplicationId?: string }[];
  /** By name of the record. */
  resultKeys: Record<string, string>;
  resultBodies: Record<string, string>;
  startKey: string;
  lease: string;
  worker: string;
  /** Base64. */
  manifest: string;
}

const eachRecord = <T>(write: (record: ResultRecord) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(RECORDS).map(([name, record]) => [name, write(record)]));

export const writeForms = (): WrittenForms => ({
  messages: NUDGES.map((nudge) => {
    const id = deduplicationId(nudge);
    return { stage: nudge.stage, data: nudge.message, ...(id && { deduplicationId: id }) };
  }),
  resultKeys: eachRecord((record) => encodeResultKey(RECORDED, record)),
  resultBodies: eachRecord((record) => sealResultBody(RECORDED, record)),
  startKey: encodeStartKey(RECORDED, STARTED_MS),
  lease: formatLease(SECRET, LEASE),
  worker: JSON.stringify(WORKER),
  manifest: encodeManifest(SECRET, MANIFEST).toString('base64'),
});
