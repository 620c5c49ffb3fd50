/**
 * Receives a request's body: decodes, hashes and verifies it, and keeps it in memory if small, else
 * in a blob.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createChunkedDecoder, type ChunkedDecoder } from './aws-chunked.ts';
import type { BlobWriter, Segment } from './blobs.ts';
import type { Call } from './call.ts';
import {
  CHECKSUM_ALGORITHMS,
  checksumHeader,
  createDigest,
  isBase64Of,
  isDigest,
  parseAlgorithm,
  type ChecksumAlgorithm,
  type RunningDigest,
} from './checksums.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';

/** What the headers say about the body. */
interface BodyPlan {
  /** Decoded. */
  bytes: number;
  chunked: boolean;
  /** The client's own checksum. `value` is absent when it is in a trailer. */
  checksum?: { algorithm: ChecksumAlgorithm; value?: string };
  contentMd5?: string;
  payloadSha256?: string;
}

export interface ReceivedBody {
  bytes: number;
  /** Hex. */
  md5: string;
  /** base64, of the client's algorithm, else of the wanted one. */
  checksum: { algorithm: ChecksumAlgorithm; value: string };
  /** The same, or of the wanted algorithm if both were requested. */
  kept: { algorithm: ChecksumAlgorithm; value: string };
  body: { at: 'memory'; buffer: Buffer } | { at: 'blobs'; segments: Segment[] };
}

const WRITE_AT_ONCE_BYTES = 1 << 20;

function planChecksum({ request }: Call): BodyPlan['checksum'] | Refusal {
  const { headers } = request;
  const given = CHECKSUM_ALGORITHMS.filter(
    (algorithm) => headers[checksumHeader(algorithm)] !== undefined,
  );
  const trailer = String(headers['x-amz-trailer'] ?? '').toLowerCase();
  const trailing = CHECKSUM_ALGORITHMS.find((algorithm) =>
    trailer.split(/\s*,\s*/).includes(checksumHeader(algorithm)),
  );
  if (given.length > 1 || (given.length === 1 && trailing !== undefined)) {
    return refuse(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const [algorithm] = given;
  if (algorithm !== undefined) {
    const value = String(headers[checksumHeader(algorithm)]);
    if (!isDigest(algorithm, value))
      return refuse('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
    return { algorithm, value };
  }
  if (trailing !== undefined) return { algorithm: trailing };
  const announced = headers['x-amz-sdk-checksum-algorithm'];
  if (announced === undefined) return undefined;
  if (parseAlgorithm(String(announced)) === undefined)
    return refuse('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
  return refuse(
    'InvalidRequest',
    'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or ' +
      'x-amz-trailer headers were found.',
  );
}

function planLength(
  { request: { headers } }: Call,
  chunked: boolean,
  limitBytes: number,
): number | Refusal {
  const text = chunked ? headers['x-amz-decoded-content-length'] : headers['content-length'];
  // No announced length: S3 does not accept HTTP's own chunked encoding.
  if (text === undefined)
    return headers['transfer-encoding'] === undefined && !chunked
      ? 0
      : refuse('MissingContentLength');
  const bytes = /^\d{1,16}$/.test(String(text)) ? Number(text) : -1;
  if (bytes < 0)
    return refuse('InvalidArgument', `The length of the body, ${String(text)}, is not a number.`);
  if (bytes > limitBytes)
    return refuse('EntityTooLarge', undefined, { ProposedSize: bytes, MaxSizeAllowed: limitBytes });
  return bytes;
}

function planBody(call: Call, limitBytes: number): BodyPlan | Refusal {
  const { headers } = call.request;
  const payload = String(headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD');
  const chunked =
    payload.startsWith('STREAMING-') || /\baws-chunked\b/.test(headers['content-encoding'] ?? '');
  const bytes = planLength(call, chunked, limitBytes);
  if (typeof bytes !== 'number') return bytes;
  const checksum = planChecksum(call);
  if (checksum !== undefined && isRefusal(checksum)) return checksum;
  const contentMd5 = headers['content-md5'];
  if (contentMd5 !== undefined && !isBase64Of(16, String(contentMd5)))
    return refuse('InvalidDigest', undefined, { 'Content-MD5': String(contentMd5) });
  return {
    bytes,
    chunked,
    ...(checksum && { checksum }),
    ...(contentMd5 !== undefined && { contentMd5: String(contentMd5) }),
    ...(/^[0-9a-f]{64}$/.test(payload) && { payloadSha256: payload }),
  };
}

/** Collects in memory, and in a blob once it exceeds `inlineBytes`. */
function createSink({ store, settings }: Call, alwaysBlob: boolean) {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let writer: BlobWriter | undefined;
  let bytes = 0;

  async function spill(): Promise<void> {
    writer ??= await store.blobs.create();
    const buffers = held;
    held = [];
    heldBytes = 0;
    if (buffers.length > 0) await writer.write(buffers);
  }
  return {
    bytes: () => bytes,
    /** Returns a promise only when it writes. */
    push(piece: Buffer): Promise<void> | undefined {
      held.push(piece);
      heldBytes += piece.length;
      bytes += piece.length;
      return heldBytes >= WRITE_AT_ONCE_BYTES ? spill() : undefined;
    },
    async finish(): Promise<ReceivedBody['body']> {
      if (!alwaysBlob && writer === undefined && bytes <= settings.inlineBytes) {
        return {
          at: 'memory',
          buffer: held.length === 1 && held[0] ? held[0] : Buffer.concat(held),
        };
      }
      await spill();
      writer ??= await store.blobs.create();
      return { at: 'blobs', segments: [{ blob: await writer.finish(), bytes }] };
    },
    async discard(): Promise<void> {
      await writer?.discard();
    },
  };
}

type Sink = ReturnType<typeof createSink>;

/**
 * Reads the whole body into the digests and the sink. False when the chunked encoding is invalid.
 */
async function pump(
  request: IncomingMessage,
  decoder: ChunkedDecoder | undefined,
  digests: RunningDigest[],
  sink: Sink,
  limitBytes: number,
) {
  for await (const chunk of request as AsyncIterable<Buffer>) {
    const pieces = decoder === undefined ? [chunk] : decoder.push(chunk);
    if (pieces === false) return false;
    for (const piece of pieces) {
      for (const digest of digests) digest.update(piece);
      const writing = sink.push(piece);
      if (writing !== undefined) await writing;
    }
    if (sink.bytes() > limitBytes) return false;
  }
  return decoder === undefined || decoder.ended();
}

function badChecksum(
  plan: BodyPlan,
  computed: string,
  trailers: ReadonlyMap<string, string> | undefined,
): Refusal | undefined {
  const { checksum } = plan;
  if (checksum === undefined) return undefined;
  const expected = checksum.value ?? trailers?.get(checksumHeader(checksum.algorithm));
  if (expected === undefined || !isDigest(checksum.algorithm, expected)) {
    return refuse(
      'InvalidRequest',
      `Value for ${checksumHeader(checksum.algorithm)} trailing header is invalid.`,
    );
  }
  if (expected === computed) return undefined;
  return refuse(
    'BadDigest',
    `The ${checksum.algorithm} you specified did not match the calculated checksum.`,
  );
}

function verify(
  plan: BodyPlan,
  md5: Buffer,
  sha256: Buffer | undefined,
  computed: string,
  trailers?: ReadonlyMap<string, string>,
): Refusal | undefined {
  if (plan.contentMd5 !== undefined && plan.contentMd5 !== md5.toString('base64')) {
    return refuse('BadDigest', 'The Content-MD5 you specified did not match what we received.', {
      ExpectedDigest: plan.contentMd5,
      CalculatedDigest: md5.toString('base64'),
    });
  }
  if (
    plan.payloadSha256 !== undefined &&
    sha256 !== undefined &&
    plan.payloadSha256 !== sha256.toString('hex')
  ) {
    return refuse('XAmzContentSHA256Mismatch', undefined, {
      ClientComputedContentSHA256: plan.payloadSha256,
      S3ComputedContentSHA256: sha256.toString('hex'),
    });
  }
  return badChecksum(plan, computed, trailers);
}

/** The digests to run over the body: those to verify, the ETag's and the checksums to keep. */
function createDigests(plan: BodyPlan, { algorithm: wanted, keepWanted = false }: ReceiveWishes) {
  const algorithm = plan.checksum?.algorithm ?? wanted;
  const md5 = createHash('md5');
  const sha256 = plan.payloadSha256 === undefined ? undefined : createHash('sha256');
  const checksum = createDigest(algorithm);
  const own = keepWanted && wanted !== algorithm ? createDigest(wanted) : undefined;
  return {
    running: [md5, checksum, ...(sha256 ? [sha256] : []), ...(own ? [own] : [])],
    end() {
      const given = { algorithm, value: checksum.digest().toString('base64') };
      return {
        md5: md5.digest(),
        sha256: sha256?.digest(),
        checksum: given,
        kept:
          own === undefined ? given : { algorithm: wanted, value: own.digest().toString('base64') },
      };
    },
  };
}

async function readVerified(
  call: Call,
  plan: BodyPlan,
  wishes: ReceiveWishes,
  sink: Sink,
): Promise<Omit<ReceivedBody, 'body'> | Refusal> {
  const decoder = plan.chunked ? createChunkedDecoder() : undefined;
  const digests = createDigests(plan, wishes);
  const whole = await pump(call.request, decoder, digests.running, sink, plan.bytes);
  if (!whole || sink.bytes() !== plan.bytes) return refuse('IncompleteBody');
  const { md5, sha256, checksum, kept } = digests.end();
  const bad = verify(plan, md5, sha256, checksum.value, decoder?.trailers());
  return bad ?? { bytes: plan.bytes, md5: md5.toString('hex'), checksum, kept };
}

export interface ReceiveWishes {
  limitBytes: number;
  /** The checksum to compute when the client sends none. */
  algorithm: ChecksumAlgorithm;
  /** Compute it also when the client sends another. */
  keepWanted?: boolean;
  /** Use a file even for a small body: parts are joined without copying. */
  alwaysBlob?: boolean;
  /** Called before the body is read, for a refusal that does not need it. */
  accept?: (clientAlgorithm: ChecksumAlgorithm | undefined) => Refusal | undefined;
}

/**
 * The body, verified against every digest of the request. On a refusal nothing is kept.
 * @throws when the client disconnects before the end.
 */
export async function receiveBody(
  call: Call,
  wishes: ReceiveWishes,
): Promise<ReceivedBody | Refusal> {
  const plan = planBody(call, wishes.limitBytes);
  if (isRefusal(plan)) return plan;
  const unwelcome = wishes.accept?.(plan.checksum?.algorithm);
  if (unwelcome !== undefined) return unwelcome;
  const sink = createSink(call, wishes.alwaysBlob ?? false);
  let kept = false;
  try {
    const received = await readVerified(call, plan, wishes, sink);
    if (isRefusal(received)) return received;
    const body = await sink.finish();
    kept = true;
    return { ...received, body };
  } finally {
    if (!kept) await sink.discard();
  }
}
