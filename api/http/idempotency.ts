/** The header Idempotency-Key: a repeated request gets the same reply and creates nothing. */
import type { FastifyRequest } from 'fastify';
import { readSendersKey, type RequestKey } from '../../core/access/idempotency.ts';
import type { Problem } from '../../core/problems.ts';
import { failure } from './errors.ts';

/** Undefined without the header. @param asked the request, as parsed */
export function readRequestKey(
  request: FastifyRequest,
  asked: unknown,
): RequestKey | { problems: Problem[] } | undefined {
  const header = request.headers['idempotency-key'];
  return header === undefined ? undefined : readSendersKey(header, 'Idempotency-Key', asked);
}

export const otherRequest = failure(
  409,
  'This Idempotency-Key was used for a different request, so nothing was stored. Use a new key for each request.',
);
