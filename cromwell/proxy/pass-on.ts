/** What of a request is passed on to the API, and what of its answer is passed back. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answer } from './upstream.ts';

const PASSED_ON = ['authorization', 'content-type', 'accept', 'idempotency-key'];
const PASSED_BACK = ['content-type', 'www-authenticate', 'x-batchwell-last-known'];

export const queryOf = (request: FastifyRequest): string => /\?.*$/s.exec(request.url)?.[0] ?? '';

export const bodyOf = (request: FastifyRequest): string | undefined =>
  typeof request.body === 'string' ? request.body : undefined;

/** @param token sent when the caller sends none */
export function headersOf(
  request: FastifyRequest,
  token: string | undefined,
): Record<string, string> {
  const sent = Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
  return { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...sent };
}

export function relay(reply: FastifyReply, answer: Answer): FastifyReply {
  for (const name of PASSED_BACK) {
    const value = answer.headers.get(name);
    if (value !== null) reply.header(name, value);
  }
  return reply.code(answer.status).send(answer.text);
}

/** Undefined when the text is not valid JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
