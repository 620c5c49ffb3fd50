/**
 * Writes to S3 what a container would: the outputs that its manifest names, and its result record. By
 * raw HTTP, since through the SDK 10,000 containers would cost more than the fleet that is measured.
 */
import { createHash } from 'node:crypto';
import { readDigest } from '../core/cache/read-digest.ts';
import { Agent, request } from 'node:http';
import {
  parseManifestEntry,
  manifestCount,
  manifestIndexRange,
  openValues,
  valuesRange,
} from '../core/submission/manifest.ts';
import { sealResultBody } from '../core/result/result-body.ts';
import { encodeResultKey } from '../core/result/result-key.ts';
import type { ResultRecord } from '../core/result/result.ts';
import { encodeStartKey } from '../core/result/start-key.ts';
import { parseS3Url } from '../core/files/s3-url.ts';
import { createCrc } from '../packages/local-aws/s3/crc.ts';

/** Tasks with an output in this folder fail with exit code 3. */
export const FAILS = 'fails';
/** Tasks with an output in this folder lose their first attempt to a transient error. */
export const LOSES_FIRST = 'loses-first';

const OUTPUT_BODY = 'the output of one task\n';

/** The local S3 requires a signature but does not verify it. */
const authorization = 'AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request';

interface EffectCounts {
  put: number;
  get: number;
}

interface ContainerRun {
  /** Value of BATCHWELL_SUBMISSION. */
  submissionUrl: string;
  secret: Buffer;
  index: number;
  attempt: number;
  startedMs: number;
}

export interface Effects {
  /** Objects put and got, to subtract them from the requests of the fleet. */
  counts: EffectCounts;
  put(url: string, body: string | Buffer): Promise<void>;
  /** Tells that the container runs, as the stager does. */
  begin(run: ContainerRun): Promise<void>;
  /** Resolves once the result record is written. */
  leave(run: ContainerRun): Promise<void>;
  close(): void;
}

export function createEffects(s3Url: string): Effects {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const send = createSender(s3Url, agent);
  const counts: EffectCounts = { put: 0, get: 0 };
  const manifests = new Map<string, Promise<TaskUrls[]>>();
  const lost = new Set<string>();

  async function readUrls(submissionUrl: string, secret: Buffer): Promise<TaskUrls[]> {
    const manifest = await send({ method: 'GET', url: `${submissionUrl}manifest` });
    counts.get += 1;
    return urlsOf(secret, manifest);
  }

  const put = async (url: string, body: string | Buffer): Promise<void> => {
    await send({ method: 'PUT', url, body });
    // Once it is answered, as S3 counts it: thousands may wait for a connection.
    counts.put += 1;
  };
  return {
    counts,
    put,
    begin: ({ submissionUrl, startedMs, ...recorded }) =>
      put(`${submissionUrl}results/${encodeStartKey(recorded, startedMs)}`, ''),
    async leave({ submissionUrl, secret, index, attempt, startedMs }) {
      const reading = manifests.get(submissionUrl) ?? readUrls(submissionUrl, secret);
      manifests.set(submissionUrl, reading);
      const urls = (await reading)[index] ?? { inputs: [], outputs: [] };
      const record = recordOf(urls, { startedMs, lost });
      if (record.outputs.length > 0) for (const url of urls.outputs) await put(url, OUTPUT_BODY);
      const recorded = { secret, index, attempt };
      const key = encodeResultKey(recorded, record);
      await put(`${submissionUrl}results/${key}`, sealResultBody(recorded, record));
    },
    close: () => agent.destroy(),
  };
}

const OUTPUT_CRC = (() => {
  const crc = createCrc('CRC64NVME');
  crc.update(Buffer.from(OUTPUT_BODY));
  return crc.digest().toString('base64');
})();

interface Run {
  startedMs: number;
  /** Outputs of attempts that were lost. */
  lost: Set<string>;
}

function recordOf({ inputs, outputs }: TaskUrls, { startedMs, lost }: Run): ResultRecord {
  const endedMs = Date.now();
  const base = { startedMs, endedMs, missingOutputs: [] };
  const [first = ''] = outputs;
  if (first.includes(`/${LOSES_FIRST}/`) && !lost.has(first)) {
    lost.add(first);
    const error = { kind: 'input', subject: first, message: 'S3 did not answer' } as const;
    return { ...base, executors: [], outputs: [], error: { ...error, transient: true } };
  }
  if (first.includes(`/${FAILS}/`))
    return { ...base, executors: [{ exitCode: 3, startedMs, endedMs }], outputs: [] };
  return {
    ...base,
    executors: [{ exitCode: 0, startedMs, endedMs }],
    ...(inputs.length > 0 && { inputs: { digest: readDigest(inputs.map(asRead)) } }),
    outputs: outputs.map((_, output) => ({
      output,
      path: '',
      sizeBytes: OUTPUT_BODY.length,
      crc64nvme: OUTPUT_CRC,
      etag: md5(OUTPUT_BODY),
    })),
  };
}

interface S3Request {
  method: 'GET' | 'PUT';
  url: string;
  body?: string | Buffer;
}

/** Resolves with the body of the response; rejects unless its status is 200. */
function createSender(s3Url: string, agent: Agent): (request: S3Request) => Promise<Buffer> {
  const { hostname, port } = new URL(s3Url);
  return ({ method, url, body }) => {
    const place = parseS3Url(url);
    if (!place) throw new Error(`${url} is not an S3 URL.`);
    const path = `/${place.bucket}/${place.key.split('/').map(encodeURIComponent).join('/')}`;
    const headers = {
      authorization,
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
    };
    return new Promise((resolve, reject) => {
      const call = request({ agent, hostname, port, method, path, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const answer = Buffer.concat(parts);
          if (response.statusCode === 200) return resolve(answer);
          const said = answer.toString('utf8').slice(0, 300);
          reject(new Error(`${method} ${url}: ${response.statusCode} ${said}`));
        });
      });
      call.on('error', reject);
      call.end(body);
    });
  };
}

interface TaskUrls {
  inputs: string[];
  outputs: string[];
}

/**
 * The URLs of each index. The tasks of the benchmarks put outputs under out/ and inputs under in/, and no other value
 * looks like that.
 */
function urlsOf(secret: Buffer, manifest: Buffer): TaskUrls[] {
  return Array.from({ length: manifestCount(manifest) ?? 0 }, (_, index) => {
    const { start, end } = manifestIndexRange(index);
    const entry = parseManifestEntry(manifest.subarray(start, end + 1), index);
    const range = valuesRange(entry);
    const sealed = range && manifest.subarray(range.start, range.end + 1);
    const values = (sealed && openValues(secret, entry, sealed)?.toString('utf8')) ?? '';
    return {
      inputs: values.match(/s3:\/\/[^/]+\/in\/[^']+/g) ?? [],
      outputs: values.match(/s3:\/\/[^/]+\/out\/[^']+/g) ?? [],
    };
  });
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

const INPUT_BYTES = 200;

/** The content of an input: its own URL, padded, so that no two are equal. */
export const inputBody = (url: string): string => url.padEnd(INPUT_BYTES, '.');

/** What the stager would report, without a request. */
const asRead = (url: string) => [
  { name: '', etag: md5(inputBody(url)), sizeBytes: Buffer.byteLength(inputBody(url)) },
];
