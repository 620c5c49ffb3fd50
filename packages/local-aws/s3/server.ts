/**
 * The S3 endpoint: routes a request, applies its fault, answers it and records it in the ledger.
 * This folder holds everything that only S3 needs.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { serveControl } from '../control.ts';
import { createFaults, type FaultRule, type Faults } from '../faults.ts';
import { stackOf, startHttpServer, type ListenOptions } from '../http-server.ts';
import { createLedger, type Ledger } from '../ledger.ts';
import { checkAccess, checkPayer } from './access.ts';
import { refusalAnswer, release, send, sendHalf } from './answer.ts';
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  isBucketName,
  listBuckets,
  putBucketVersioning,
} from './bucket.ts';
import type { Answer, Operation, S3Settings } from './call.ts';
import { completeMultipartUpload } from './complete-multipart.ts';
import { copyObject } from './copy-object.ts';
import { isRefusal, refuse, statusOf, type Refusal } from './errors.ts';
import { listObjects, listObjectsV2 } from './list-objects.ts';
import {
  abortMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from './multipart.ts';
import { getObject, getObjectAttributes, getObjectTagging } from './read-object.ts';
import { operationOf, targetOf, type Target } from './route.ts';
import { openStore, type Store } from './store.ts';
import {
  deleteObject,
  deleteObjects,
  deleteObjectTagging,
  putObject,
  putObjectTagging,
} from './write-object.ts';

const OPERATIONS: Record<string, Operation> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  GetBucketLocation: getBucketLocation,
  GetBucketVersioning: getBucketVersioning,
  PutBucketVersioning: putBucketVersioning,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  PutObject: putObject,
  CopyObject: copyObject,
  GetObject: getObject,
  HeadObject: getObject,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  GetObjectAttributes: getObjectAttributes,
  GetObjectTagging: getObjectTagging,
  PutObjectTagging: putObjectTagging,
  DeleteObjectTagging: deleteObjectTagging,
  CreateMultipartUpload: createMultipartUpload,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListParts: listParts,
  ListMultipartUploads: listMultipartUploads,
};

export interface LocalS3Options extends ListenOptions {
  /** Created when it does not exist. What it holds is served again. One process at a time. */
  dataFolder: string;
  ledger?: Ledger;
  faults?: Faults;
  /** Default us-east-1. */
  region?: string;
  /** Buckets to create when they do not exist. */
  createBuckets?: readonly string[];
  /** Added to every answer. Default 0. */
  latencyMs?: number;
  /** Default: AWS's 5 GiB. Tests lower it. */
  copyLimitBytes?: number;
  /** Default: AWS's 5 MiB. Tests lower it. */
  partMinBytes?: number;
  /** Buckets with SSE-KMS as their default: their ETags are drawn at each write. */
  kmsBuckets?: readonly string[];
  /** Buckets of another owner, who makes the requester pay. */
  requesterPays?: readonly string[];
  /** Create a bucket when an object is written to it, which AWS never does. Default false. */
  bucketsOnDemand?: boolean;
}

export interface LocalS3 {
  /** For AWS_ENDPOINT_URL_S3. */
  url: string;
  port: number;
  ledger: Ledger;
  faults: Faults;
  close(): Promise<void>;
}

interface Endpoint {
  store: Store;
  settings: S3Settings;
  ledger: Ledger;
  faults: Faults;
  latencyMs: number;
  nextRequestId: () => string;
}

/**
 * Sixteen hex digits like AWS's: a random prefix for this start, then a count. (All random would
 * take 8 µs of each request.)
 */
function createRequestIds(): () => string {
  const start = randomBytes(4).toString('hex').toUpperCase();
  let count = 0;
  return () => {
    count += 1;
    return start + count.toString(16).toUpperCase().padStart(8, '0');
  };
}

/** Cuts the connection as a network failure does: with a reset and without an answer. */
function cut(request: IncomingMessage): void {
  request.socket.resetAndDestroy();
}

type FaultRefusal = Refusal & { status: number; code: string };

function faultRefusal(rule: FaultRule): FaultRefusal {
  const throttle = rule.kind === 'throttle';
  const code = rule.code ?? (throttle ? 'SlowDown' : 'InternalError');
  const base = refuse(throttle ? 'SlowDown' : 'InternalError', rule.message);
  return { ...base, code, status: rule.status ?? statusOf(base.refused) };
}

async function perform(
  endpoint: Endpoint,
  request: IncomingMessage,
  target: Target | Refusal,
  operation: string | undefined,
): Promise<Answer | Refusal> {
  if (isRefusal(target)) return target;
  const nowMs = Date.now();
  const denied =
    checkAccess(request, target.query, nowMs) ??
    checkPayer(request, target, endpoint.settings.requesterPays);
  if (denied !== undefined) return denied;
  const run = operation === undefined ? undefined : OPERATIONS[operation];
  if (operation === undefined || run === undefined) {
    return refuse(
      'NotImplemented',
      `${request.method} ${request.url} is not implemented by the local S3. ` +
        'The README of @batchwell/local-aws lists the operations that are.',
    );
  }
  await createOnDemand(endpoint, target, operation, nowMs);
  return run({
    request,
    operation,
    ...target,
    store: endpoint.store,
    settings: endpoint.settings,
    nowMs,
  });
}

/** Operations that write an object. UploadPart comes after CreateMultipartUpload. */
const WRITES: ReadonlySet<string> = new Set(['PutObject', 'CopyObject', 'CreateMultipartUpload']);

async function createOnDemand(
  { settings, store }: Endpoint,
  { bucketName }: Target,
  operation: string,
  nowMs: number,
): Promise<void> {
  if (!settings.bucketsOnDemand || !WRITES.has(operation)) return;
  if (isBucketName(bucketName) && !store.buckets.has(bucketName))
    await store.createBucket(bucketName, nowMs);
}

/** What was sent, for the ledger. Status 0: the connection was cut. */
interface Sent {
  status: number;
  code?: string;
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
  target: Target | Refusal;
  operation: string | undefined;
}

async function reply(
  { store }: Endpoint,
  { request, response, requestId }: Exchange,
  outcome: Answer | FaultRefusal | Refusal,
): Promise<Sent> {
  if (!isRefusal(outcome)) {
    await send(store, response, requestId, outcome);
    return { status: outcome.status };
  }
  const answer = refusalAnswer(request, requestId, outcome);
  await send(store, response, requestId, answer);
  return { status: answer.status, code: 'code' in outcome ? outcome.code : outcome.refused };
}

/** Applies a fault after the request has been performed. */
async function replyUnder(
  rule: FaultRule | undefined,
  endpoint: Endpoint,
  exchange: Exchange,
  outcome: Answer | Refusal,
): Promise<Sent> {
  if (rule?.kind === 'drop-after') {
    if (!isRefusal(outcome))
      await sendHalf(endpoint.store, exchange.response, exchange.requestId, outcome);
    cut(exchange.request);
    return { status: 0, code: 'DroppedAfter' };
  }
  if (rule?.kind !== 'error-after') return reply(endpoint, exchange, outcome);
  if (!isRefusal(outcome)) release(endpoint.store, outcome);
  return reply(endpoint, exchange, faultRefusal(rule));
}

/** Serves the request, with the fault that applies to it. */
async function serve(
  endpoint: Endpoint,
  exchange: Exchange,
  rule: FaultRule | undefined,
): Promise<Sent> {
  const delayMs = endpoint.latencyMs + (rule?.delayMs ?? 0);
  if (delayMs > 0) await wait(delayMs);
  if (rule?.kind === 'drop-before') {
    cut(exchange.request);
    return { status: 0, code: 'DroppedBefore' };
  }
  if (rule?.kind === 'error' || rule?.kind === 'throttle')
    return reply(endpoint, exchange, faultRefusal(rule));
  const outcome = await perform(endpoint, exchange.request, exchange.target, exchange.operation);
  return replyUnder(rule, endpoint, exchange, outcome);
}

/** A request that ended in an exception: the client disconnected, or a bug of the local S3. */
async function failed(endpoint: Endpoint, exchange: Exchange, cause: unknown): Promise<Sent> {
  const { request, response } = exchange;
  if (request.destroyed && !request.complete) return { status: 0, code: 'ClientGone' };
  process.emitWarning(`The local S3 failed on ${request.method} ${request.url}: ${stackOf(cause)}`);
  if (!response.headersSent)
    return reply(endpoint, exchange, refuse('InternalError', String(cause)));
  cut(request);
  return { status: 0, code: 'InternalError' };
}

async function handle(
  endpoint: Endpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedMs = performance.now();
  const target = targetOf(request);
  const operation = isRefusal(target) ? undefined : operationOf(request, target);
  const subject = isRefusal(target) ? (request.url ?? '/') : `${target.bucketName}/${target.key}`;
  const exchange: Exchange = {
    request,
    response,
    requestId: endpoint.nextRequestId(),
    target,
    operation,
  };
  const rule = endpoint.faults.next('s3', operation ?? 'Unknown', subject);
  const sent = await serve(endpoint, exchange, rule).catch((cause: unknown) =>
    failed(endpoint, exchange, cause),
  );
  endpoint.ledger.request({
    service: 's3',
    operation: operation ?? 'Unknown',
    ...sent,
    durationMs: performance.now() - startedMs,
    detail: { subject, ...(rule && { fault: rule.kind }) },
  });
}

const DEFAULTS = {
  region: 'us-east-1',
  copyLimitBytes: 5 * 2 ** 30,
  partMinBytes: 5 * 2 ** 20,
  inlineBytes: 16 << 10,
};

const settingsOf = ({
  region = DEFAULTS.region,
  copyLimitBytes = DEFAULTS.copyLimitBytes,
  partMinBytes = DEFAULTS.partMinBytes,
  kmsBuckets = [],
  requesterPays = [],
  bucketsOnDemand = false,
}: LocalS3Options): S3Settings => ({
  region,
  copyLimitBytes,
  partMinBytes,
  kmsBuckets,
  requesterPays,
  bucketsOnDemand,
  inlineBytes: DEFAULTS.inlineBytes,
});

/**
 * Serves S3 from the data folder until `close()`, by default on loopback.
 * @throws when the port is taken, when another process has the data folder, or when a bucket's name
 * is not allowed.
 */
export async function startLocalS3(options: LocalS3Options): Promise<LocalS3> {
  const {
    ledger = createLedger(),
    faults = createFaults(),
    latencyMs = 0,
    createBuckets = [],
  } = options;
  const wrong = createBuckets.find((name) => !isBucketName(name));
  if (wrong !== undefined)
    throw new Error(
      `The bucket ${wrong} cannot be created. ` +
        'A bucket name has 3 to 63 lower-case letters, digits, dots and hyphens.',
    );
  const store = await openStore(options.dataFolder);
  for (const name of createBuckets)
    if (!store.buckets.has(name)) await store.createBucket(name, Date.now());
  const endpoint: Endpoint = {
    store,
    settings: settingsOf(options),
    ledger,
    faults,
    latencyMs,
    nextRequestId: createRequestIds(),
  };
  const health = () => ({ buckets: store.buckets.size, uploads: store.uploads.size });
  const server = await startHttpServer(async (request, response) => {
    if (!(await serveControl({ service: 's3', ledger, faults, health }, request, response)))
      await handle(endpoint, request, response);
  }, options).catch(async (cause: unknown) => {
    await store.close();
    throw cause;
  });
  return {
    url: server.url,
    port: server.port,
    ledger,
    faults,
    async close() {
      await server.close();
      await store.close();
    },
  };
}
