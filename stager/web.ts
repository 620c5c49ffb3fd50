/**
 * Downloads one file from the web, as its server keeps it: `fetch` would undo a Content-Encoding,
 * and servers label .gz files with one.
 */
import type { FileHandle } from 'node:fs/promises';
import { request as askPlain } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as askTls } from 'node:https';
import { body, pour, requireSize } from './body.ts';
import type { Downloaded, Target } from './body.ts';
import type { Claim } from './room.ts';
import { FinalError } from './s3.ts';

const LONGEST_MS = 24 * 3_600_000;
const LONGEST_SILENCE_MS = 60_000;
const MOST_REDIRECTS = 20;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

const HEADERS = {
  accept: '*/*',
  'accept-encoding': 'identity',
  'user-agent': 'batchwell-stager',
};

interface WebFetch {
  file: FileHandle;
  path: string;
  target: Target;
}

function askOnce(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const ask = url.protocol === 'https:' ? askTls : askPlain;
  return new Promise((resolve, reject) => {
    const asked = ask(url, { headers: HEADERS, signal }, resolve);
    asked.setTimeout(LONGEST_SILENCE_MS, () =>
      asked.destroy(new Error(`no answer for ${LONGEST_SILENCE_MS / 1000} s`)),
    );
    asked.once('error', reject);
    asked.end();
  });
}

/** @throws FinalError for a place that is not on the web */
function placeOnWeb(location: string, from?: URL): URL {
  const url = URL.canParse(location, from?.href) ? new URL(location, from) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new FinalError(`the server redirects to ${location}, which is not an http or https URL`);
}

/** Answers that another try may change. */
const TRANSIENT = new Set([408, 425, 429]);

const refusal = (status: number, words: string): Error =>
  status < 500 && !TRANSIENT.has(status) ? new FinalError(words) : new Error(words);

/** @throws FinalError for a refusal that no retry changes */
async function ask(address: string): Promise<IncomingMessage> {
  const signal = AbortSignal.timeout(LONGEST_MS);
  let url = placeOnWeb(address);
  for (let redirects = 0; ; redirects += 1) {
    const answer = await askOnce(url, signal);
    const { statusCode: status = 0, statusMessage = '' } = answer;
    // Nobody asked for a part of the file.
    if (status >= 200 && status < 300 && status !== 206) return answer;
    answer.destroy();
    const { location } = answer.headers;
    if (!REDIRECTS.has(status) || location === undefined)
      throw refusal(status, `HTTP ${status} ${statusMessage}`.trimEnd());
    if (redirects === MOST_REDIRECTS)
      throw new FinalError(`the server redirects more than ${MOST_REDIRECTS} times`);
    url = placeOnWeb(location, url);
  }
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
  const length = answer.headers['content-length'];
  const sizeBytes = Number(length ?? 0);
  let claim = claimed;
  try {
    await room.announce(path, sizeBytes);
    claim ??= await room.tryClaim(path, sizeBytes);
    if (!claim) return sizeBytes;
    const read = await pour(answer, file, 0, undefined, claim);
    if (length !== undefined) requireSize(read, sizeBytes);
    return { sizeBytes: read };
  } finally {
    claim?.release();
    if (!answer.readableEnded) answer.destroy();
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
