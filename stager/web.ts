/** Downloads one file from the web. */
import type { FileHandle } from 'node:fs/promises';
import { body, pour, requireSize } from './body.ts';
import type { Downloaded, Target } from './body.ts';
import type { Claim } from './room.ts';
import { FinalError } from './s3.ts';

const LONGEST_MS = 24 * 3_600_000;

interface WebFetch {
  file: FileHandle;
  path: string;
  target: Target;
}

/** @throws FinalError for a refusal that no retry changes */
async function ask(url: string): Promise<Response> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(LONGEST_MS) });
  if (answer.ok) return answer;
  await answer.body?.cancel();
  const { status, statusText } = answer;
  const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 429;
  throw isRefused
    ? new FinalError(`HTTP ${status} ${statusText}`)
    : new Error(`HTTP ${status} ${statusText}`);
}

/** @returns how much room it needs where there is too little */
async function fetchNow(
  url: string,
  { file, path, target: { room } }: WebFetch,
  claimed: Claim | undefined,
): Promise<Downloaded | number> {
  const answer = await ask(url).catch((error: unknown) => {
    claimed?.release();
    throw error;
  });
  const length = answer.headers.get('content-length');
  const sizeBytes = Number(length ?? 0);
  let claim = claimed;
  let isRead = false;
  try {
    await room.announce(path, sizeBytes);
    claim ??= await room.tryClaim(path, sizeBytes);
    if (!claim) return sizeBytes;
    const read = answer.body ? await pour(answer.body, file, 0, undefined, claim) : 0;
    isRead = true;
    // The length of a compressed answer counts the compressed bytes.
    if (length !== null && answer.headers.get('content-encoding') === null)
      requireSize(read, sizeBytes);
    return { sizeBytes: read };
  } finally {
    claim?.release();
    if (!isRead) await answer.body?.cancel().catch(() => undefined);
  }
}

/** Room is claimed for what the answer announces; of one without a length, nothing is known. */
export async function fetchWeb(url: string, fetch: WebFetch): Promise<Downloaded> {
  let claim: Claim | undefined;
  for (;;) {
    const fetched = await body(() => fetchNow(url, fetch, claim));
    if (typeof fetched !== 'number') return fetched;
    claim = await fetch.target.room.claim(fetch.path, fetched);
  }
}
