/** Follows a log as it grows. */
import { errorOfInvalidJson } from './errors.ts';
import type { FollowOptions } from './operations.ts';
import type { Transport } from './send.ts';
import { follow } from './streams.ts';
import type { LogLine } from './types.generated.ts';

/** Ends when the task has ended. */
export function followLog(
  transport: Transport,
  path: string,
  { signal, from, tailBytes, ...which }: FollowOptions = {},
): AsyncGenerator<LogLine, void, undefined> {
  let position = from;
  return follow<LogLine>(
    transport,
    {
      connect: () => ({
        path,
        query: {
          ...which,
          follow: true,
          from: position,
          tail_bytes: position === undefined ? tailBytes : undefined,
        },
        accept: 'application/x-ndjson',
      }),
      async *read(lines) {
        for await (const text of lines) {
          const one = text === '' ? undefined : parse(transport, text);
          if (one?.ended) return true;
          position = one?.position ?? position;
          yield one;
        }
        return false;
      },
    },
    signal,
  );
}

function parse(transport: Transport, text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch (cause) {
    throw errorOfInvalidJson(text, cause, {
      origin: new URL(transport.url).origin,
      tries: 1,
      token: transport.token,
    });
  }
}
