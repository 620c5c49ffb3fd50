/**
 * Where no token is needed, a page of any site that a user of this machine opens could use the API.
 * Browsers say where a request is from, by one header or another; other programs need not.
 */
import { isIP } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http';

interface SeenRequest {
  method: string;
  headers: IncomingHttpHeaders;
}

/**
 * Why a request without a token is refused, as a sentence for its sender.
 * @param isLocal whether the API listens on loopback only
 */
export function whyFromElsewhere(request: SeenRequest, isLocal: boolean): string | undefined {
  if (isLocal && !isOfThisMachine(request.headers.host))
    return (
      `This API requires no tokens and listens on loopback, so it answers under no public name such as ` +
      `${JSON.stringify(hostName(request.headers.host ?? ''))}. Use http://127.0.0.1, or set BATCHWELL_TOKENS.`
    );
  return isFromOtherSite(request)
    ? 'A page of another site sent this request, and this API requires no tokens. ' +
        'Set BATCHWELL_TOKENS to use it from other sites.'
    : undefined;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

export const isLoopback = (address: string): boolean => LOOPBACK.test(address);

const hostName = (host: string): string =>
  host
    .replace(/:\d*$/, '')
    .replaceAll(/^\[|\]$/g, '')
    .toLowerCase();

/** No public name server answers for these: names of containers, and of networks at home and in clouds. */
const PRIVATE_NAME = /^[^.]+$|\.(?:localhost|internal|local|lan|test|home\.arpa)$/;

/**
 * A page can have its own name lead to 127.0.0.1 (DNS rebinding). To the browser this API is then of
 * that page's site, but the name is still in the header.
 */
function isOfThisMachine(host: string | undefined): boolean {
  if (host === undefined) return true;
  const name = hostName(host);
  return isIP(name) !== 0 || PRIVATE_NAME.test(name);
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Replies to reads are hidden from other sites by the browser. */
function isFromOtherSite({ method, headers }: SeenRequest): boolean {
  if (READS.has(method)) return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'cross-site' || site === 'same-site';
  // Browsers leave that header out where the API is reached over plain HTTP, except on loopback.
  const { origin, host, 'x-forwarded-host': forwarded } = headers;
  return origin !== undefined && ![host, forwarded].some((own) => isAt(origin, own));
}

const isAt = (origin: string, host: string | string[] | undefined): boolean =>
  origin.replace(/^https?:\/\//i, '').toLowerCase() === String(host).toLowerCase();
