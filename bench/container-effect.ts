/**
 * What a container would leave in S3, done cheaply: the outputs its manifest names and its result record, by raw HTTP.
 * (Through the SDK 10,000 containers would cost the machine more than the fleet that is measured.)
 */
import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { readDigest } from '../core/cache/read-digest.ts';
import {
  parseManifestEntry,
  manifestCount,
  manifestIndexRange,
  valuesRange,
} from '../core/submission/manifest.ts';
import { encodeResultKey } from '../core/result/result-key.ts';
import type { ResultRecord } from '../core/result/result.ts';
import { parseS3Url } from '../core/files/s3-url.ts';
import { createCrc } from '../packages/local-aws/s3/crc.ts';

export const OUTPUT_BODY = 'the output of one task\n';

/** The local S3 asks for a signature and does not verify it. */
const authorization = 'AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request';

export interface EffectCounts {
  put: number;
  get: number;
}

export interface ContainerRun {
  /** Value of BATCHWELL_SUBMISSION. */
  submissionUrl: string;
  index: number;
  attempt: number;
  startedMs: number;
}

export interface Effects {
  /** Objects put and got, so that they can be told from the fleet's own requests. */
  counts: EffectCounts;
  put(url: string, body: string | Buffer): Promise<void>;
  /** Resolves once the result record is written. */
  leave(run: ContainerRun): Promise<void>;
  close(): void;
}

export function createEffects(s3Url: string): Effects {
  const { hostname, port } = new URL(s3Url);
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const counts: EffectCounts = { put: 0, get: 0 };
  const manifests = new Map<string, Promise<TaskUrls[]>>();
  const crc = createCrc('CRC64NVME');
  crc.update(Buffer.from(OUTPUT_BODY));
  const crc64nvme = crc.digest().toString('base64');

  function send(method: 'GET' | 'PUT', url: string, body?: string | Buffer): Promise<Buffer> {
    const place = parseS3Url(url);
    if (!place) throw new Error(`${url} is no S3 url.`);
    const path = `/${place.bucket}/${place.key.split('/').map(encodeURIComponent).join('/')}`;
    return new Promise((resolve, reject) => {
      const call = request(
        {
          agent,
          hostname,
          port,
          method,
          path,
          headers: {
            authorization,
            ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('end', () => {
            if (response.statusCode === 200) resolve(Buffer.concat(parts));
            else
              reject(
                new Error(
                  `${method} ${url}: ${response.statusCode} ${Buffer.concat(parts).toString('utf8').slice(0, 300)}`,
                ),
              );
          });
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  async function readUrls(submissionUrl: string): Promise<TaskUrls[]> {
    counts.get += 1;
    return urlsOf(await send('GET', `${submissionUrl}manifest`));
  }

  const put = async (url: string, body: string | Buffer): Promise<void> => {
    counts.put += 1;
    await send('PUT', url, body);
  };
  return {
    counts,
    put,
    async leave({ submissionUrl, index, attempt, startedMs }) {
      const reading = manifests.get(submissionUrl) ?? readUrls(submissionUrl);
      manifests.set(submissionUrl, reading);
      const { inputs, outputs } = (await reading)[index] ?? { inputs: [], outputs: [] };
      for (const url of outputs) await put(url, OUTPUT_BODY);
      const endedMs = Date.now();
      const record: ResultRecord = {
        startedMs,
        endedMs,
        missingOutputs: [],
        executors: [{ exitCode: 0, startedMs, endedMs }],
        ...(inputs.length > 0 && { inputs: { digest: readDigest(inputs.map(asRead)) } }),
        outputs: outputs.map((_, output) => ({
          output,
          path: '',
          sizeBytes: OUTPUT_BODY.length,
          crc64nvme,
          etag: md5(OUTPUT_BODY),
        })),
      };
      await put(
        `${submissionUrl}results/${encodeResultKey(index, attempt, record)}`,
        JSON.stringify(record),
      );
    },
    close: () => agent.destroy(),
  };
}

interface TaskUrls {
  inputs: string[];
  outputs: string[];
}

/** Of each index: the benchmark's tasks put outputs under out/ and inputs under in/, and no other value looks so. */
function urlsOf(manifest: Buffer): TaskUrls[] {
  return Array.from({ length: manifestCount(manifest) ?? 0 }, (_, index) => {
    const { start, end } = manifestIndexRange(index);
    const range = valuesRange(parseManifestEntry(manifest.subarray(start, end + 1), index));
    const values = range ? manifest.toString('utf8', range.start, range.end + 1) : '';
    return {
      inputs: values.match(/s3:\/\/[^/]+\/in\/[^']+/g) ?? [],
      outputs: values.match(/s3:\/\/[^/]+\/out\/[^']+/g) ?? [],
    };
  });
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

const INPUT_BYTES = 200;

/** What an input holds: its own URL, filled up, so that no two are equal. */
export const inputBody = (url: string): string => url.padEnd(INPUT_BYTES, '.');

/** As the stager would have read it, without reading it. */
const asRead = (url: string) => [
  { name: '', etag: md5(inputBody(url)), sizeBytes: Buffer.byteLength(inputBody(url)) },
];
