/** Accepts a request only when its token has the scope that the route needs. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { whyNotAllowed, type Scope } from '../../core/access/access.ts';
import { whyFromElsewhere } from '../../core/access/other-sites.ts';
import { failure } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import type { Caller, Refused } from './caller.ts';
import type { Callers } from './callers.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose tasks this request can see, and what it can do with them. */
    caller: Caller;
    /**
     * Whether its token still allows the request, for long replies. Rejects while the token cannot
     * be checked.
     */
    isStillAllowed(): Promise<boolean>;
  }
  interface FastifyContextConfig {
    /**
     * The scope that a token needs. Absent: `read`, which only GET may omit. `any` is for what a
     * token says of itself.
     */
    scope?: Scope | 'any';
  }
}

type Credentials = (request: FastifyRequest) => string | undefined;

const bearer: Credentials = (request) =>
  /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];

/** Clients that cannot send headers (the TES plugin of Nextflow) put the token in the path. */
const inPath: Credentials = (request) => (request.params as { token?: string } | undefined)?.token;

/** A browser that opens the queue board can prompt only for Basic credentials: owner and token. */
const basic: Credentials = (request) => {
  const encoded = /^Basic +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  return encoded === undefined
    ? undefined
    : Buffer.from(encoded, 'base64').toString().split(':').slice(1).join(':');
};

/**
 * Guards every route registered on `api` after this: 401 for an unknown caller, 403 for a missing
 * scope.
 */
export function guardRoutes(
  api: Api,
  callers: Callers,
  options: { allowBasic?: boolean; scope?: Scope } = {},
): void {
  api.addHook('onRoute', ({ method, url, config }) => {
    const reads = [method].flat().every((one) => ['GET', 'HEAD', 'OPTIONS'].includes(one));
    if (!reads && config?.scope === undefined && options.scope === undefined)
      throw new Error(`${String(method)} ${url} does not say which scope it needs.`);
  });
  api.addHook('onRequest', async (request, reply) => {
    if (!callers.tokensRequired) {
      const whyNot = whyFromElsewhere(request, callers.isLocal === true);
      if (whyNot !== undefined) await reply.code(403).send(failure(403, whyNot));
      return;
    }
    const find = (): Promise<Caller | Refused> =>
      findCaller(callers, request, options.allowBasic === true);
    const caller = await find();
    if ('refused' in caller) {
      await challenge(reply, options.allowBasic ? 'Basic' : 'Bearer').send(
        failure(401, caller.refused),
      );
      return;
    }
    request.caller = caller;
    const scope = options.scope ?? request.routeOptions.config.scope ?? 'read';
    const whyNot = ({ access }: Caller): string | undefined =>
      scope === 'any' ? undefined : whyNotAllowed(access, scope);
    request.isStillAllowed = async () => {
      const found = await find();
      return !('refused' in found) && whyNot(found) === undefined;
    };
    const forbidden = whyNot(caller);
    if (forbidden !== undefined) await reply.code(403).send(failure(403, forbidden));
  });
}

async function findCaller(
  callers: Callers,
  request: FastifyRequest,
  allowBasic: boolean,
): Promise<Caller | Refused> {
  const given = inPath(request) ?? bearer(request) ?? (allowBasic ? basic(request) : undefined);
  return given === undefined
    ? { refused: 'The request has no token. Send the header Authorization: Bearer TOKEN.' }
    : callers.find(given);
}

const challenge = (reply: FastifyReply, scheme: string): FastifyReply =>
  reply.code(401).header('www-authenticate', `${scheme} realm="batchwell"`);
