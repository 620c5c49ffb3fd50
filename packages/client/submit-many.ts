/** Tasks that come one by one, as scatters of NDJSON. */
import { BatchwellError } from './errors.ts';
import { gather } from './gather.ts';
import type { LineScatterOptions, ManyAccepted, ManyOptions } from './operations.ts';
import { sendForJson, type Line } from './send.ts';
import type { ScatterAccepted, TesTask } from './types.generated.ts';

const LARGEST_SCATTER = 10_000;
/** Far below what the service takes, since it is held in memory until it is accepted. */
const LARGEST_BODY_BYTES = 32 * 1024 ** 2;

export async function* submitMany(
  line: Line,
  source: AsyncIterable<TesTask> | Iterable<TesTask>,
  { lingerMs, idempotencyKey, ...options }: ManyOptions = {},
): AsyncGenerator<ManyAccepted, void, undefined> {
  const limits = {
    most: LARGEST_SCATTER,
    mostBytes: LARGEST_BODY_BYTES,
    lingerMs,
    sleep: line.sleep,
    signal: options.signal,
  };
  let number = 0;
  for await (const { first, lines } of gather(source, limits)) {
    const key = idempotencyKey === undefined ? undefined : `${idempotencyKey}.${number}`;
    number += 1;
    const accepted = await submitLines(line, lines, { ...options, idempotencyKey: key }).catch(
      (error: unknown) => {
        throw error instanceof BatchwellError ? countedFrom(first, error) : error;
      },
    );
    yield { ...accepted, first };
  }
}

export async function submitLines(
  line: Line,
  lines: Blob | ReadableStream<Uint8Array>,
  { name, cache, tags = {}, ids, idempotencyKey, signal }: LineScatterOptions = {},
): Promise<ScatterAccepted> {
  const tag = Object.entries(tags).map(([key, value]) => {
    if (key.includes(':'))
      throw new TypeError(
        `tags: the key ${JSON.stringify(key)} holds a colon, which goes with submitScatter only.`,
      );
    return `${key}:${value}`;
  });
  return sendForJson(line, {
    method: 'POST',
    path: '/v1/scatters',
    query: { name, cache, tag, ids },
    lines,
    idempotencyKey: keyOf(idempotencyKey),
    signal,
  });
}

/** The service counts the lines of each scatter anew. */
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

/** One key for all attempts of a call. */
export function keyOf(given: string | undefined): string {
  // A wrong one would be taken for a network that fails.
  if (given !== undefined && !/^[\x21-\x7e]{1,255}$/.test(given))
    throw new TypeError(
      'idempotencyKey: expected 1 to 255 printable ASCII characters without blanks.',
    );
  return given ?? crypto.randomUUID();
}
