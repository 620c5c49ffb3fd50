/** The header Idempotency-Key: the same request again gets the same answer, and makes nothing. */
import type { FastifyRequest } from 'fastify';
import { readSendersKey, type RequestKey } from '../../core/access/idempotency.ts';
import type { Problem } from '../../core/problems.ts';
import { failure } from './errors.ts';

/** Undefined without the header. @param asked what is asked, as it was understood */
export function readRequestKey(
  request: FastifyRequest,
  asked: unknown,
): RequestKey | { problems: Problem[] } | undefined {
  const header = request.headers['idempotency-key'];
  return header === undefined ? undefined : readSendersKey(header, 'Idempotency-Key', asked);
}

export const otherRequest = failure(
  409,
  'This Idempotency-Key was used for another request; nothing was stored. Send a key of its own with each request.',
);
