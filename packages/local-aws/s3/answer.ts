/** Sends an answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from './call.ts';
import { messageOf, statusOf, type Refusal } from './errors.ts';
import type { Store } from './store.ts';
import { errorDocument, leaf } from './xml.ts';

/**
 * The refusal as AWS's XML; an answer to HEAD has no body. `status` and `code` are those that a
 * fault sets.
 */
export function refusalAnswer(
  request: IncomingMessage,
  requestId: string,
  refusal: Refusal & { status?: number; code?: string },
): Answer {
  const status = refusal.status ?? statusOf(refusal.refused);
  if (request.method === 'HEAD') return { status };
  const detail = Object.entries(refusal.detail ?? {}).map(([name, value]) => leaf(name, value));
  const xml = errorDocument(
    leaf('Code', refusal.code ?? refusal.refused),
    leaf('Message', refusal.message ?? messageOf(refusal.refused)),
    ...detail,
    leaf('Resource', (request.url ?? '/').split('?')[0]),
    leaf('RequestId', requestId),
    leaf('HostId', requestId),
  );
  return { status, xml };
}

type BlobContent = Exclude<Answer['content'], Buffer | undefined>;

/** Resolves when there is room for more or the client has disconnected. */
async function writeChunk(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (response.write(chunk) || response.destroyed) return;
  await new Promise<void>((resolve) => {
    const goOn = () => {
      response.off('drain', goOn).off('close', goOn);
      resolve();
    };
    response.on('drain', goOn).on('close', goOn);
  });
}

async function sendBlobs(
  store: Store,
  response: ServerResponse,
  { segments, from, to }: BlobContent,
): Promise<void> {
  for await (const chunk of store.blobs.read(segments, from, to)) {
    if (response.destroyed) return;
    await writeChunk(response, chunk);
  }
}

function writeHead(
  response: ServerResponse,
  requestId: string,
  { status, headers, xml }: Answer,
): void {
  const hasLength = status === 204 || status === 304 || headers?.['content-length'] !== undefined;
  response.writeHead(status, {
    server: 'AmazonS3',
    'x-amz-request-id': requestId,
    'x-amz-id-2': requestId,
    ...(xml === undefined ? {} : { 'content-type': 'application/xml' }),
    ...(hasLength ? {} : { 'content-length': Buffer.byteLength(xml ?? '') }),
    ...headers,
  });
}

/** Sends the whole answer. */
export async function send(
  store: Store,
  response: ServerResponse,
  requestId: string,
  answer: Answer,
): Promise<void> {
  const { content, xml } = answer;
  try {
    writeHead(response, requestId, answer);
    if (content !== undefined && !Buffer.isBuffer(content))
      await sendBlobs(store, response, content);
    response.end(Buffer.isBuffer(content) ? content : xml);
  } finally {
    release(store, answer);
  }
}

/** Sends the headers and half of the content, if any. The caller then cuts the connection. */
export async function sendHalf(
  store: Store,
  response: ServerResponse,
  requestId: string,
  answer: Answer,
): Promise<void> {
  const { content } = answer;
  if (content === undefined) return;
  try {
    writeHead(response, requestId, answer);
    if (Buffer.isBuffer(content))
      await writeChunk(response, content.subarray(0, content.length / 2));
    else
      await sendBlobs(store, response, {
        ...content,
        to: content.from + Math.floor((content.to - content.from) / 2),
      });
  } finally {
    release(store, answer);
  }
}

/** Releases what an answer holds, once for each answer. `send` and `sendHalf` do it themselves. */
export function release(store: Store, { content }: Answer): void {
  if (content !== undefined && !Buffer.isBuffer(content)) store.blobs.release(content.segments);
}
