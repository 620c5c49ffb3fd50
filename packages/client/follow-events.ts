/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as far as this service uses them. */
import type { Call, Line } from './send.ts';
import { follow } from './streams.ts';
import type { ScatterReply, TaskEvent } from './types.generated.ts';

export type BatchwellEvent =
  /** Where a task stands now. */
  (
    | { event: 'task'; data: TaskEvent }
    /** Of a scatter: at the start, and some seconds after something changed in it. */
    | { event: 'scatter'; data: ScatterReply }
    /** The listener was away for longer than the service keeps changes: some were not told. */
    | { event: 'missed'; data: { message: string } }
  ) & {
    /** With it as `lastEventId` another stream goes on from here; some events may be told again. */
    lastEventId?: string;
  };

/** Ends when the service has nothing more to tell: asked again with the last id of such a stream, it says 204. */
export function followEvents(
  line: Line,
  query: Call['query'],
  { signal, lastEventId }: { signal?: AbortSignal | undefined; lastEventId?: string | undefined },
): AsyncGenerator<BatchwellEvent, void, undefined> {
  let last = lastEventId;
  return follow<BatchwellEvent>(
    line,
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
