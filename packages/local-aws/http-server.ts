/**
 * The HTTP that both servers share: a listener that closes at once, and bodies with a limit.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP, isIPv6, type AddressInfo } from 'node:net';

export type HttpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
) => void | Promise<void>;

export interface HttpServer {
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  url: string;
  port: number;
  /**
   * Stops listening and ends every connection, also idle ones and those in the middle of a request.
   */
  close(): Promise<void>;
}

export interface ListenOptions {
  /**
   * Default 127.0.0.1. Signatures are not verified: use another address only on a private network.
   */
  host?: string;
  /** 0, the default, takes a free port. */
  port?: number;
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;
/** No public name server answers for these. */
const PRIVATE_NAME = /^[^.]+$|\.(?:localhost|internal|local|lan|test|home\.arpa)$/;

/**
 * Signatures are not verified, so a page of any site that a user of this machine opens could submit a
 * job, which is a command here. Browsers name the page's site in `Origin`. A page that has its own name
 * lead to 127.0.0.1 (DNS rebinding) has that name in `Host`.
 */
function isFromPage({ method = '', headers }: IncomingMessage, listensOn: string): boolean {
  const name = (headers.host ?? 'localhost').replace(/:\d*$/, '').replaceAll(/^\[|\]$/g, '');
  const isPublic = isIP(name) === 0 && !PRIVATE_NAME.test(name.toLowerCase());
  return (
    (isPublic && LOOPBACK.test(listensOn)) || (headers.origin !== undefined && !READS.has(method))
  );
}

/** Starts to listen. Rejects with Node's EADDRINUSE when the port is taken. */
export async function startHttpServer(
  handler: HttpHandler,
  { host = '127.0.0.1', port = 0 }: ListenOptions = {},
): Promise<HttpServer> {
  // No request timeout: a slow upload of gigabytes is not an error here.
  const server = createServer(
    { keepAliveTimeout: 65_000, requestTimeout: 0, noDelay: true },
    (request, response) => {
      if (isFromPage(request, host)) {
        response.writeHead(403, { connection: 'close' }).end();
        return;
      }
      Promise.resolve(handler(request, response)).catch((cause: unknown) => {
        process.emitWarning(
          `A local server's handler failed on ${request.method} ${request.url}: ${String(cause)}`,
        );
        request.socket.destroy();
      });
    },
  );
  // SDKs that wait for "100 Continue" send no body before it. Node answers it when no listener is
  // set.
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    close() {
      closing ??= new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

/**
 * The whole body, or undefined when it is longer than the limit. The rest is then read and
 * discarded, so that the caller can still answer on this connection.
 * @throws when the client disconnects before the end.
 */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= limitBytes) chunks.push(chunk);
  }
  if (bytes > limitBytes) return undefined;
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** For warnings about a bug: where it happened. */
export function stackOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
