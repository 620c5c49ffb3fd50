/** Middleware below the SDK's retries: it sees every attempt of every request. */

type Send = (args: unknown) => Promise<unknown>;
type Middleware = (next: Send, context: { commandName?: string }) => Send;

interface Stack {
  add(
    middleware: Middleware,
    options: { step: 'deserialize' | 'initialize' | 'build'; priority: 'low'; name: string },
  ): void;
}

export function addNextToWire(
  client: { middlewareStack: unknown },
  name: string,
  middleware: Middleware,
): void {
  (client.middlewareStack as Stack).add(middleware, { step: 'deserialize', priority: 'low', name });
}

/** HTTP status of an answer, even if the SDK turns it into an error later. */
export function codeOfAnswer(output: unknown): string {
  const { response } = output as { response?: { statusCode?: number } };
  return response?.statusCode === undefined ? 'unknown' : String(response.statusCode);
}

/**
 * The HTTP status if there was an answer, else the error of the connection, such as ECONNRESET or
 * TimeoutError.
 */
export function codeOfError(error: unknown): string {
  const { $metadata, $response, code, name } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
    code?: string;
    name?: string;
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  return status === undefined ? (code ?? name ?? 'Error') : String(status);
}

/** Sees each call once, with the error that the SDK throws in the end. */
export function addAroundCall(
  client: { middlewareStack: unknown },
  name: string,
  middleware: Middleware,
): void {
  (client.middlewareStack as Stack).add(middleware, { step: 'initialize', priority: 'low', name });
}

/** Adds headers to the requests whose input is accepted, before they are signed. */
export function addHeadersTo(
  client: { middlewareStack: unknown },
  name: string,
  headersFor: (input: unknown) => Readonly<Record<string, string>> | undefined,
): void {
  const middleware: Middleware = (next) => (args) => {
    const { input, request } = args as { input: unknown; request: { headers: object } };
    Object.assign(request.headers, headersFor(input));
    return next(args);
  };
  (client.middlewareStack as Stack).add(middleware, { step: 'build', priority: 'low', name });
}
