/** Bearer tokens: created, listed and revoked with the scope `admin`. */
import { Type } from 'typebox';
import { insertToken, listTokens, revokeToken, type TokenRow } from '../../db/tokens.ts';
import { digestOfToken, FRESH_MS, newToken } from '../access/stored-tokens.ts';
import { readTokenRequest } from '../access/token-request.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { failure, refusal } from '../http/errors.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { failures, NumberId } from '../schemas/replies.ts';
import { TokenMade, TokenList, TokenRequest, type TokenReply } from '../schemas/tokens.ts';

const tags = ['Tokens'];
const ADMIN = { scope: 'admin' } as const;

export function tokenRoutes(api: Api, context: ApiContext): void {
  createRoute(api, context);
  listRoute(api, context);
  revokeRoute(api, context);
}

const NO_TOKENS_REQUIRED = failure(
  409,
  'This API requires no tokens, so a new token would protect nothing. ' +
    'Set BATCHWELL_TOKENS=you:a-long-secret first, then create other tokens with that one.',
);

function createRoute(api: Api, { database, callers, nowMs, log }: ApiContext): void {
  const schema = {
    tags,
    summary: 'Create a token',
    body: TokenRequest,
    response: { 200: TokenMade, ...failures },
  };
  api.post('/tokens', { config: ADMIN, schema }, async (request, reply) => {
    if (!callers.tokensRequired) return reply.code(409).send(NO_TOKENS_REQUIRED);
    const read = readTokenRequest(request.body, nowMs());
    if ('problems' in read) return reply.code(400).send(refusal(read.problems));
    const token = newToken();
    const created = { ...read, createdMs: nowMs() };
    const id = await insertToken(database.pool, { ...created, digest: digestOfToken(token) });
    const { owner, scopes } = read.access;
    log.info(
      { event: 'token-made', id, owner, by: request.caller.access.owner, scopes },
      'token-made',
    );
    return reply.send({ ...viewToken({ id, ...created }), token });
  });
}

function listRoute(api: Api, { database }: ApiContext): void {
  const schema = {
    tags,
    summary: 'List tokens, newest first',
    response: { 200: TokenList, ...failures },
  };
  api.get('/tokens', { config: ADMIN, schema }, async () => ({
    tokens: (await listTokens(database.pool)).map(viewToken),
  }));
}

function revokeRoute(api: Api, { database, nowMs, log }: ApiContext): void {
  const schema = {
    tags,
    summary: `Revoke a token; it stops working within ${FRESH_MS / 1000} s`,
    params: NumberId,
    response: { 200: Type.Object({}), ...failures },
  };
  api.delete('/tokens/:id', { config: ADMIN, schema }, async (request, reply) => {
    const { id } = request.params;
    if (!(await revokeToken(database.pool, id, nowMs())))
      return reply
        .code(404)
        .send(failure(404, `There is no token ${id}. GET /v1/tokens lists all tokens.`));
    log.info({ event: 'token-revoked', id, by: request.caller.access.owner }, 'token-revoked');
    return reply.send({});
  });
}

function viewToken(token: TokenRow): TokenReply {
  const { id, name, access, createdMs, expiresMs, revokedMs } = token;
  const { owner, cacheDomain, limits, profile } = access;
  return {
    id,
    owner,
    name,
    scopes: [...access.scopes],
    cache_domain: cacheDomain,
    created: rfc3339(createdMs),
    ...(limits.urls && { urls: [...limits.urls] }),
    ...(limits.queues && { queues: [...limits.queues] }),
    ...(limits.jobRoles && { job_roles: [...limits.jobRoles] }),
    ...(profile && { profile }),
    ...(expiresMs !== undefined && { expires: rfc3339(expiresMs) }),
    ...(revokedMs !== undefined && { revoked: rfc3339(revokedMs) }),
  };
}
