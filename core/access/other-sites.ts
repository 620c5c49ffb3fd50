/**
 * Where no token is needed, a page of any site that a user of this machine opens could use the API.
 * Browsers say where a request is from, by one header or another; other programs need not.
 */
interface SeenRequest {
  method: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * Why a request without a token is refused, as a sentence for its sender.
 * @param isLocal whether the API listens on loopback only
 */
export function whyFromElsewhere(request: SeenRequest, isLocal: boolean): string | undefined {
  if (isLocal && !isOfThisMachine(request.headers['host']))
    return (
      'On loopback, a request without a token is answered under no public name such as ' +
      `${JSON.stringify(hostName(String(request.headers['host'])))}. ` +
      'Use http://127.0.0.1, or set BATCHWELL_TOKENS and send a token.'
    );
  return isFromOtherSite(request)
    ? 'A page of another site sent this request without a token. ' +
        'To use the API from other sites, set BATCHWELL_TOKENS and send a token.'
    : undefined;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

export const isLoopback = (address: string): boolean => LOOPBACK.test(address);

const hostName = (host: string): string =>
  host
    .replace(/:\d*$/, '')
    .replaceAll(/^\[|\]$/g, '')
    .toLowerCase();

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:.]*)$/;

/** No public name server answers for these: names of containers, and of networks at home and in clouds. */
const PRIVATE_NAME = /^[^.]+$|\.(?:localhost|internal|local|lan|test|home\.arpa)$/;

/**
 * A page can have its own name lead to 127.0.0.1 (DNS rebinding). To the browser this API is then of
 * that page's site, but the name is still in the header.
 */
function isOfThisMachine(host: string | string[] | undefined): boolean {
  if (host === undefined) return true;
  const name = hostName(String(host));
  return ADDRESS.test(name) || PRIVATE_NAME.test(name);
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Replies to reads are hidden from other sites by the browser. */
function isFromOtherSite({ method, headers }: SeenRequest): boolean {
  if (READS.has(method)) return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'cross-site' || site === 'same-site';
  // Browsers leave that header out where the API is reached over plain HTTP, except on loopback.
  const { origin, host, 'x-forwarded-host': forwarded } = headers;
  return origin !== undefined && ![host, forwarded].some((own) => isAt(String(origin), own));
}

const isAt = (origin: string, host: string | string[] | undefined): boolean =>
  origin.replace(/^https?:\/\//i, '').toLowerCase() === String(host).toLowerCase();
