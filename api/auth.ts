/** Who is calling. Without configured tokens everybody is the one owner ''. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../config.ts';
import { sha256 } from '../core/ids.ts';
import { failure } from './errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Owner of the tasks this request may see. */
    owner: string;
  }
}

/** Digests only: a token itself is never kept, and digests of equal length compare in constant time. */
interface KnownToken {
  owner: string;
  digest: Buffer;
}

export type Tokens = readonly KnownToken[];

const LONGEST_OWNER = 64;

/** Throws a ConfigError for an item that is not owner:token; the token is not shown. */
export function readTokens(items: readonly string[]): Tokens {
  return items.map((item, index) => {
    const colon = item.indexOf(':');
    const [owner, token] = [item.slice(0, colon), item.slice(colon + 1)];
    if (colon < 1 || owner.length > LONGEST_OWNER || token === '') {
      throw new ConfigError(`BATCHWELL_TOKENS: item ${index + 1} is not owner:token with an owner of 1 to ${LONGEST_OWNER} characters.`);
    }
    return { owner, digest: sha256(token) };
  });
}

/** All tokens are compared, whichever fits, so that the time taken tells nothing. */
export function ownerOf(tokens: Tokens, given: string): string | undefined {
  const digest = sha256(given);
  let owner: string | undefined;
  for (const token of tokens) if (timingSafeEqual(token.digest, digest)) owner ??= token.owner;
  return owner;
}

type Credentials = (request: FastifyRequest) => string | undefined;

const bearer: Credentials = (request) => /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];

/** Clients that can send no header (Nextflow's TES plugin) carry the token in the path. */
const inPath: Credentials = (request) => (request.params as { token?: string } | undefined)?.token;

/** A browser that opens the queue board asks its user, and can only ask for Basic: owner and token. */
const basic: Credentials = (request) => {
  const encoded = /^Basic +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString().split(':').slice(1).join(':');
};

/** A hook that answers 401 to those it does not know, and sets `request.owner` for the others. */
export function requireToken(tokens: Tokens, options: { allowBasic?: boolean } = {}) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (tokens.length === 0) return;
    const given = inPath(request) ?? bearer(request) ?? (options.allowBasic ? basic(request) : undefined);
    const owner = given === undefined ? undefined : ownerOf(tokens, given);
    if (owner !== undefined) {
      request.owner = owner;
      return;
    }
    const said = given === undefined ? 'This needs a token: send the header Authorization: Bearer TOKEN.' : 'The token is not known here.';
    await reply.code(401).header('www-authenticate', `${options.allowBasic ? 'Basic' : 'Bearer'} realm="batchwell"`).send(failure(401, said));
  };
}
