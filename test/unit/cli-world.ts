/** A CLI with streams of its own, and a small API whose answers are given. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runCli } from '../../cli/command-line.ts';

interface Asked {
  method: string;
  /** Path and query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is a string. */
  body: unknown;
}

export interface FakeApi {
  url: string;
  asked: Asked[];
  close(): Promise<void>;
}

/**
 * `answers` is keyed `GET /path` without the query. A list is answered in order, and its last item
 * repeatedly.
 */
export async function startFakeApi(answers: Record<string, Answer | Answer[]>): Promise<FakeApi> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const path = request.url ?? '';
    asked.push({
      method: request.method ?? '',
      path,
      headers: request.headers,
      body: await text(request),
    });
    const key = `${request.method} ${path.split('?')[0]}`;
    const planned = answers[key] ?? { status: 404, body: { message: `There is no ${key}.` } };
    const answer = Array.isArray(planned)
      ? planned.length > 1
        ? planned.shift()!
        : planned[0]!
      : planned;
    response.writeHead(answer.status ?? 200, answer.headers);
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

export async function run(
  words: string[],
  options: {
    api?: FakeApi;
    stdin?: string;
    environment?: Record<string, string>;
    errIsLive?: boolean;
    columns?: number;
    colour?: boolean;
    interrupted?: AbortSignal;
  } = {},
): Promise<Ran> {
  const out = new PassThrough();
  const err = new PassThrough();
  const code = await runCli(words, {
    input: Readable.from(options.stdin === undefined ? [] : [options.stdin]),
    out,
    err,
    errIsLive: options.errIsLive ?? false,
    outIsLive: false,
    columns: options.columns ?? 80,
    colour: options.colour ?? false,
    errColour: false,
    environment: { ...(options.api && { BATCHWELL_URL: options.api.url }), ...options.environment },
    interrupted: options.interrupted ?? new AbortController().signal,
  });
  out.end();
  err.end();
  return { code, out: await text(out), err: await text(err) };
}
