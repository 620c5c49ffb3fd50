/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as far as
 * Batchwell uses them.
 */
import type { Call, Transport } from './send.ts';
import { follow } from './streams.ts';
import type { ScatterReply, TaskEvent } from './types.generated.ts';

export type BatchwellEvent =
  /** The current state of a task. */
  (
    | { event: 'task'; data: TaskEvent }
    /**
     * The counts of a scatter: at the start, and some seconds after something in it has changed.
     */
    | { event: 'scatter'; data: ScatterReply }
    /**
     * The listener was away for longer than the service keeps changes, so some events are missing.
     */
    | { event: 'missed'; data: { message: string } }
  ) & {
    /**
     * Give it as `lastEventId` to continue from here in another stream; some events may come twice.
     */
    lastEventId?: string;
  };

/**
 * Ends when no more events will come: the service answers 204 to the last event id of a stream that
 * has ended.
 */
export function followEvents(
  transport: Transport,
  query: Call['query'],
  { signal, lastEventId }: { signal?: AbortSignal | undefined; lastEventId?: string | undefined },
): AsyncGenerator<BatchwellEvent, void, undefined> {
  let last = lastEventId;
  return follow<BatchwellEvent>(
    transport,
    {
      connect: () => ({
        path: '/v1/events',
        query,
        accept: 'text/event-stream',
        headers: last === undefined ? {} : { 'last-event-id': last },
      }),
      async *read(lines) {
        for await (const { id, event, data } of blocksOf(lines)) {
          last = id ?? last;
          yield data === ''
            ? undefined
            : ({
                event,
                data: JSON.parse(data),
                ...(last !== undefined && { lastEventId: last }),
              } as BatchwellEvent);
        }
        return false;
      },
    },
    signal,
  );
}

interface Block {
  event: string;
  data: string;
  id?: string;
}

async function* blocksOf(lines: AsyncGenerator<string, void, undefined>): AsyncGenerator<Block> {
  let fields = new Map<string, string>();
  for await (const text of lines) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(text) ?? [];
    if (text !== '') {
      fields.set(name, value);
      continue;
    }
    const id = fields.get('id');
    yield {
      event: fields.get('event') ?? 'message',
      data: fields.get('data') ?? '',
      ...(id !== undefined && { id }),
    };
    fields = new Map();
  }
}
