/** Submits tasks that come one by one, as scatters of NDJSON. */
import { BatchwellError } from './errors.ts';
import { gather } from './gather.ts';
import type { LineScatterOptions, ManyAccepted, ManyOptions } from './operations.ts';
import { sendForJson, type Transport } from './send.ts';
import type { ScatterAccepted, TesTask } from './types.generated.ts';

const LARGEST_SCATTER = 10_000;
/** Far below the service's limit, because the body is held in memory until it is accepted. */
const LARGEST_BODY_BYTES = 32 * 1024 ** 2;

export async function* submitMany(
  transport: Transport,
  source: AsyncIterable<TesTask> | Iterable<TesTask>,
  { lingerMs, idempotencyKey, ...options }: ManyOptions = {},
): AsyncGenerator<ManyAccepted, void, undefined> {
  const limits = {
    most: LARGEST_SCATTER,
    mostBytes: LARGEST_BODY_BYTES,
    lingerMs,
    sleep: transport.sleep,
    signal: options.signal,
  };
  let number = 0;
  for await (const { first, lines } of gather(source, limits)) {
    const key = idempotencyKey === undefined ? undefined : `${idempotencyKey}.${number}`;
    number += 1;
    const accepted = await submitLines(transport, lines, { ...options, idempotencyKey: key }).catch(
      (error: unknown) => {
        throw error instanceof BatchwellError ? countedFrom(first, error) : error;
      },
    );
    yield { ...accepted, first };
  }
}

export async function submitLines(
  transport: Transport,
  lines: Blob | ReadableStream<Uint8Array>,
  { name, cache, merge, tags = {}, ids, idempotencyKey, signal }: LineScatterOptions = {},
): Promise<ScatterAccepted> {
  const tag = Object.entries(tags).map(([key, value]) => {
    if (key.includes(':'))
      throw new TypeError(
        `tags: the key ${JSON.stringify(key)} contains a colon, which only submitScatter allows.`,
      );
    return `${key}:${value}`;
  });
  return sendForJson(transport, {
    method: 'POST',
    path: '/v1/scatters',
    query: { name, cache, merge, tag, ids },
    lines,
    idempotencyKey: keyOf(idempotencyKey),
    signal,
  });
}

/**
 * The service counts the lines of each scatter from 1; the caller counts them over the whole
 * source.
 */
function countedFrom(
  first: number,
  { message, status, problems, moreProblems, cause }: BatchwellError,
): BatchwellError {
  const counted = problems.map((problem) =>
    problem.line === undefined ? problem : { ...problem, line: problem.line + first },
  );
  const about =
    first === 0 ? message : `The scatter that begins with task ${first + 1}: ${message}`;
  return new BatchwellError(about, {
    ...(status !== undefined && { status }),
    problems: counted,
    moreProblems,
    cause,
  });
}

/** The same key for all attempts of a call. */
export function keyOf(given: string | undefined): string {
  // fetch rejects an invalid header value as if the network had failed.
  if (given !== undefined && !/^[\x21-\x7e]{1,255}$/.test(given))
    throw new TypeError(
      'idempotencyKey: expected 1 to 255 printable ASCII characters without spaces.',
    );
  return given ?? crypto.randomUUID();
}
