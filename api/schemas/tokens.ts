/** Tokens, as /openapi.json shows them. Requests are read by api/access/token-request.ts. */
import { Type, type Static } from 'typebox';
import { scopes } from '../../core/access/access.ts';
import { profileNames } from '../../core/profiles/profile-names.ts';
import { LONGEST_OWNER } from '../../core/access/owner-name.ts';

const rights = {
  owner: Type.String({
    maxLength: LONGEST_OWNER,
    description: 'Owner of the tasks that the token creates and sees',
  }),
  name: Type.Optional(Type.String({ maxLength: 255, description: 'What the token is for' })),
  scopes: Type.Optional(
    Type.Array(Type.Enum(scopes), { description: 'Default: submit, read, cancel' }),
  ),
  urls: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'Prefixes that the URLs of inputs and outputs must have: ' +
        's3://bucket/prefix, https://host/path. Absent: any URL',
    }),
  ),
  queues: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'Job queues that tasks may name; the first is the default of tasks that name none. Absent: any queue',
    }),
  ),
  job_roles: Type.Optional(
    Type.Array(Type.String(), {
      description: 'ARNs of the IAM roles that tasks may name. Absent: BATCHWELL_JOB_ROLES',
    }),
  ),
  cache_domain: Type.Optional(
    Type.String({
      maxLength: 64,
      description: 'Tokens with the same domain share a call cache. Default: the owner',
    }),
  ),
  profile: Type.Optional(
    Type.Enum(profileNames, {
      description: 'Client whose conventions apply to the tasks. Absent: detected for each task',
    }),
  ),
  expires: Type.Optional(
    Type.String({ description: 'RFC 3339. Absent: the token does not expire' }),
  ),
};

export const TokenRequest = Type.Object(rights);
export const TokenReply = Type.Object({
  id: Type.Integer(),
  ...rights,
  name: Type.String(),
  scopes: Type.Array(Type.Enum(scopes)),
  cache_domain: Type.String(),
  created: Type.String({ description: 'RFC 3339' }),
  revoked: Type.Optional(Type.String({ description: 'RFC 3339. Absent: not revoked' })),
});
export const TokenMade = Type.Object({
  ...TokenReply.properties,
  token: Type.String({ description: 'The token itself. Shown only in this reply and not stored' }),
});
export const TokenList = Type.Object({ tokens: Type.Array(TokenReply) });

export type TokenReply = Static<typeof TokenReply>;
