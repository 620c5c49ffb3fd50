/** The header Idempotency-Key: the same request again gets the same answer, and makes nothing. */
import type { FastifyRequest } from 'fastify';
import { IDEMPOTENCY_KEY_EXPECTED, isIdempotencyKey, keyOfHeader, type RequestKey } from '../core/idempotency.ts';
import { problemAt, type Problem } from '../core/problems.ts';
import { failure } from './errors.ts';

/** Undefined without the header. @param asked what is asked, as it was understood */
export function readRequestKey(request: FastifyRequest, asked: unknown): RequestKey | { problems: Problem[] } | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !isIdempotencyKey(header)) return { problems: [problemAt('Idempotency-Key', IDEMPOTENCY_KEY_EXPECTED, header)] };
  return keyOfHeader(header, asked);
}

export const otherRequest = failure(409, 'This Idempotency-Key was used for another request; nothing was stored. Send a key of its own with each request.');
