/** The API, as the page calls it. The token is kept in the tab only, and is sent in a header. */
import { openClient, type Client } from '../packages/client/client.ts';

export class ServiceError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Service {
  get<T>(path: string, signal?: AbortSignal): Promise<T>;
  /** @param key recognises a repeated request, for what creates something */
  post<T>(path: string, body?: unknown, key?: string): Promise<T>;
  delete(path: string): Promise<void>;
  /** Streams, logs and lists. */
  client: Client;
}

/** Gone with the tab. */
const STORED = 'batchwell-token';

export const storedToken = (): string | undefined => sessionStorage.getItem(STORED) ?? undefined;

export function storeToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(STORED);
  else sessionStorage.setItem(STORED, token);
}

/** @param onRefused called when the token is not valid any more */
export function openService(token: string | undefined, onRefused: () => void): Service {
  const send = async <T>(path: string, init: RequestInit = {}): Promise<T> => {
    const reply = await fetch(path, {
      ...init,
      cache: 'no-store',
      credentials: 'omit',
      headers: {
        ...init.headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    });
    const text = await reply.text();
    if (reply.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
    if (reply.status === 401) onRefused();
    throw new ServiceError(reply.status, messageIn(text) ?? `HTTP status ${reply.status}`);
  };
  return {
    get: (path, signal) => send(path, signal ? { signal } : {}),
    post: (path, body = {}, key) =>
      send(path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: {
          'content-type': 'application/json',
          ...(key !== undefined && { 'idempotency-key': key }),
        },
      }),
    delete: (path) => send(path, { method: 'DELETE' }),
    client: openClient({ url: location.origin, token }),
  };
}

function messageIn(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { message?: unknown };
    return typeof body.message === 'string' ? body.message : undefined;
  } catch {
    return undefined;
  }
}
