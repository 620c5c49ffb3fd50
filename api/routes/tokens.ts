/** Bearer tokens: made, listed and revoked by those who may administer. */
import { Type, type Static } from 'typebox';
import { scopes, type Access } from '../../core/access/access.ts';
import { problemAt, type Problem } from '../../core/problems.ts';
import { profileNames } from '../../core/profiles/profile-names.ts';
import {
  amongOf,
  readObject,
  rawOf,
  refuse,
  refuseUnknown,
  textOf,
  textsOf,
  type Source,
} from '../../core/task/read-fields.ts';
import { insertToken, listTokens, revokeToken, type TokenRow } from '../../db/tokens.ts';
import { LONGEST_OWNER } from '../access/caller.ts';
import { digestOfToken, FRESH_MS, newToken } from '../access/stored-tokens.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';

const rights = {
  owner: Type.String({ maxLength: LONGEST_OWNER, description: 'Whose tasks it makes and sees' }),
  name: Type.Optional(Type.String({ maxLength: 255, description: 'What it is for' })),
  scopes: Type.Optional(
    Type.Array(Type.Enum(scopes), { description: 'Default: submit, read, cancel' }),
  ),
  urls: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'What the urls of inputs and outputs must lie below: s3://bucket/prefix, https://host/path. Not limited when absent',
    }),
  ),
  queues: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'Job queues that tasks may name; the first is the one of tasks that name none. Not limited when absent',
    }),
  ),
  job_roles: Type.Optional(
    Type.Array(Type.String(), {
      description: 'IAM role ARNs that tasks may ask for. The configured ones when absent',
    }),
  ),
  cache_domain: Type.Optional(
    Type.String({
      maxLength: 64,
      description: 'Tokens of one domain share their call cache. Default: the owner',
    }),
  ),
  profile: Type.Optional(
    Type.Enum(profileNames, {
      description: 'Which client’s habits its tasks follow. Seen from each task when absent',
    }),
  ),
  expires: Type.Optional(Type.String({ description: 'RFC 3339. Never when absent' })),
};
export const TokenRequest = Type.Object(rights);
export const TokenReply = Type.Object({
  id: Type.Integer(),
  ...rights,
  name: Type.String(),
  scopes: Type.Array(Type.Enum(scopes)),
  cache_domain: Type.String(),
  created: Type.String(),
  revoked: Type.Optional(Type.String()),
});
export const TokenMade = Type.Object({
  ...TokenReply.properties,
  token: Type.String({ description: 'Shown once, and kept nowhere' }),
});

const tags = ['Tokens'];
const ADMIN = { scope: 'admin' } as const;

export function tokenRoutes(api: Api, context: ApiContext): void {
  const { database, callers, nowMs, log } = context;

  api.post(
    '/tokens',
    {
      config: ADMIN,
      schema: {
        tags,
        summary: 'Make a token',
        body: TokenRequest,
        response: { 200: TokenMade, ...failures },
      },
    },
    async (request, reply) => {
      if (!callers.tokensRequired)
        return reply
          .code(409)
          .send(
            failure(
              409,
              'This API asks nobody for a token, so one more would protect nothing. Set BATCHWELL_TOKENS=you:a-long-secret first, and make others with that one.',
            ),
          );
      const read = readTokenRequest(request.body, nowMs());
      if ('problems' in read) return reply.code(400).send(refusal(read.problems));
      const token = newToken();
      const made = { ...read, createdMs: nowMs() };
      const id = await insertToken(database.pool, { ...made, digest: digestOfToken(token) });
      log.info(
        {
          event: 'token-made',
          id,
          owner: read.access.owner,
          by: request.caller.access.owner,
          scopes: read.access.scopes,
        },
        'token-made',
      );
      return reply.send({ ...viewToken({ id, ...made }), token });
    },
  );

  api.get(
    '/tokens',
    {
      config: ADMIN,
      schema: {
        tags,
        summary: 'List tokens, newest first',
        response: { 200: Type.Object({ tokens: Type.Array(TokenReply) }), ...failures },
      },
    },
    async () => ({
      tokens: (await listTokens(database.pool)).map(viewToken),
    }),
  );

  const Id = Type.Object({ id: Type.Integer({ minimum: 1 }) });
  const revoke = {
    tags,
    summary: `Revoke a token; it opens nothing after ${FRESH_MS / 1000} s`,
    params: Id,
    response: { 200: Type.Object({}), ...failures },
  };
  api.delete('/tokens/:id', { config: ADMIN, schema: revoke }, async (request, reply) => {
    const { id } = request.params;
    if (!(await revokeToken(database.pool, id, nowMs())))
      return reply.code(404).send(notFound('token', String(id)));
    log.info({ event: 'token-revoked', id, by: request.caller.access.owner }, 'token-revoked');
    return reply.send({});
  });
}

const rfc3339 = (ms: number): string => new Date(ms).toISOString();

function viewToken({
  id,
  name,
  access,
  createdMs,
  expiresMs,
  revokedMs,
}: TokenRow): Static<typeof TokenReply> {
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

type NewToken = Pick<TokenRow, 'name' | 'access' | 'expiresMs'>;

function readTokenRequest(body: unknown, nowMs: number): NewToken | { problems: Problem[] } {
  const problems: Problem[] = [];
  const reader = readObject(body, '', problems);
  if (!reader) return { problems };
  // What is not understood cannot limit the token, and its maker would think that it does.
  refuseUnknown(reader, Object.keys(rights));
  const access = accessOf(reader);
  const expiresMs = expiryOf(reader, nowMs);
  const name = textOf(reader, 'name', { longest: 255 }) ?? '';
  return problems.length > 0
    ? { problems }
    : { name, access, ...(expiresMs !== undefined && { expiresMs }) };
}

function accessOf(reader: Source): Access {
  const owner = textOf(reader, 'owner', { required: true, longest: LONGEST_OWNER }) ?? '';
  if (rawOf(reader, 'owner') === '') refuse(reader, 'owner', 'a name');
  const profile = textOf(reader, 'profile', { emptyIsAbsent: true });
  const known = profileNames.find((one) => one === profile);
  if (profile !== undefined && known === undefined)
    refuse(reader, 'profile', `one of ${profileNames.join(', ')}`, profile);
  return {
    owner,
    scopes: amongOf(reader, 'scopes', scopes) ?? ['submit', 'read', 'cancel'],
    cacheDomain: textOf(reader, 'cache_domain', { longest: 64, emptyIsAbsent: true }) ?? owner,
    limits: limitsOf(reader),
    ...(known && { profile: known }),
  };
}

function limitsOf(reader: Source): Access['limits'] {
  // An empty list allows nothing; only a list that is not there does not limit.
  const listed = (name: string): string[] | undefined =>
    rawOf(reader, name) === undefined ? undefined : textsOf(reader, name, { longest: 1024 });
  const [urls, queues, jobRoles] = [listed('urls'), listed('queues'), listed('job_roles')];
  urls?.forEach((url, index) => {
    if (!/^(s3:\/\/[^/]|https?:\/\/[^/]|\/)/.test(url))
      reader.problems.push(
        problemAt(`urls[${index}]`, 's3://bucket/prefix, https://host/path or /folder', url),
      );
  });
  return { ...(urls && { urls }), ...(queues && { queues }), ...(jobRoles && { jobRoles }) };
}

function expiryOf(reader: Source, nowMs: number): number | undefined {
  const text = textOf(reader, 'expires', { emptyIsAbsent: true });
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return ms > nowMs
    ? ms
    : refuse(reader, 'expires', 'a time to come, as 2027-01-31T00:00:00Z', text);
}
