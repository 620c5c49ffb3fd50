/**
 * What the local Batch adds to the control surface of control.ts:
 *
 *   GET  /_local/logs/<job id>[?attempt=N]   stdout and stderr of the last attempt, or of the Nth
 *   POST /_local/spot-loss  {"jobId": …}     loses the host of the job, or of all array children
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { readBody } from '../http-server.ts';
import type { BatchContext } from './context.ts';
import type { Job } from './jobs.ts';

interface Parts {
  context: BatchContext;
  logFolder: string;
}

const LOGS_PATH = '/_local/logs/';
const SPOT_LOSS_PATH = '/_local/spot-loss';
const BODY_LIMIT_BYTES = 4096;

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

/** The attempt of that number, or the newest when it is 0. */
function findTaskId(job: Job | undefined, number: number): string | undefined {
  if (job === undefined) return undefined;
  if (job.live !== undefined && (number === 0 || number === job.live.number))
    return job.live.taskId;
  return (number > 0 ? job.attempts[number - 1] : job.attempts.at(-1))?.taskId;
}

async function serveLog(
  { context, logFolder }: Parts,
  url: URL,
  response: ServerResponse,
): Promise<void> {
  const jobId = decodeURIComponent(url.pathname.slice(LOGS_PATH.length));
  const number = Number(url.searchParams.get('attempt') ?? 0);
  const taskId = findTaskId(context.store.get(jobId), number);
  if (taskId === undefined) {
    answer(response, 404, {
      problems: [`Job ${jobId} has no attempt${number > 0 ? ` ${number}` : ''}.`],
    });
    return;
  }
  const path = join(logFolder, `${taskId}.log`);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    answer(response, 404, { problems: [`Job ${jobId} has no log.`] });
    return;
  }
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  await pipeline(createReadStream(path), response);
}

async function loseSpot(
  { context }: Parts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = (await readBody(request, BODY_LIMIT_BYTES))?.toString('utf8') ?? '';
  const jobId = /"jobId"\s*:\s*"([0-9a-f:-]+)"/.exec(body)?.[1] ?? '';
  const job = context.store.get(jobId);
  if (job === undefined)
    answer(response, 404, {
      problems: [jobId === '' ? 'The body must be {"jobId": "…"}.' : `There is no job ${jobId}.`],
    });
  else answer(response, 200, { lost: context.engine.loseHost(job) });
}

/** Answers the request if it is one of these two, else returns false. */
export async function serveBatchControl(
  parts: Parts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (request.method === 'GET' && url.pathname.startsWith(LOGS_PATH))
    await serveLog(parts, url, response);
  else if (request.method === 'POST' && url.pathname === SPOT_LOSS_PATH)
    await loseSpot(parts, request, response);
  else return false;
  return true;
}
