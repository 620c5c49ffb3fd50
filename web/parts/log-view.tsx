/** The output of a task, which follows while it runs. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { LogLine, TesTaskFull } from '../../packages/client/client.ts';
import { useShared, useStream } from '../hooks.ts';
import * as format from '../model/format.ts';
import { appendLines, type LogText } from '../model/log-text.ts';

type Stream = 'stdout' | 'stderr';

const TAIL_BYTES = 256 * 1024;
const NOTHING: LogText = { text: '', dropped: 0 };

export function LogView({ task }: { task: TesTaskFull }) {
  const failed = task.state === 'EXECUTOR_ERROR' || task.state === 'SYSTEM_ERROR';
  const [stream, setStream] = useState<Stream>(failed ? 'stderr' : 'stdout');
  const [executor, setExecutor] = useState(0);
  return (
    <section class="card" aria-label="Logs">
      <header class="card-head">
        <div class="choices" role="group" aria-label="Stream">
          {(['stdout', 'stderr'] as const).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === stream}
              onClick={() => setStream(one)}
            >
              {one}
            </button>
          ))}
        </div>
        {task.executors.length > 1 && (
          <label>
            Executor{' '}
            <select
              value={String(executor)}
              onChange={({ currentTarget }) => setExecutor(Number(currentTarget.value))}
            >
              {task.executors.map((one, position) => (
                <option key={position} value={String(position)}>
                  {position + 1}: {one.image}
                </option>
              ))}
            </select>
          </label>
        )}
      </header>
      <FollowedLog key={`${stream} ${executor}`} id={task.id} stream={stream} executor={executor} />
    </section>
  );
}

interface FollowedLogProps {
  id: string;
  stream: Stream;
  executor: number;
}

function FollowedLog({ id, stream, executor }: FollowedLogProps) {
  const { service } = useShared();
  const [log, setLog] = useState<LogText>(NOTHING);
  const [end, setEnd] = useState<{ error: string | undefined }>();
  const box = useRef<HTMLPreElement>(null);
  const [sticks, setSticks] = useState(true);
  useStream<LogLine>(
    `${id} ${stream} ${executor}`,
    (signal) => service.client.followLog(id, { stream, executor, tailBytes: TAIL_BYTES, signal }),
    (lines) => setLog((before) => appendLines(before, lines)),
    (error) => setEnd({ error }),
  );
  useEffect(() => {
    if (sticks && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log, sticks]);
  const noteScroll = (): void => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = box.current ?? {};
    setSticks(scrollHeight - scrollTop - clientHeight < 24);
  };
  return (
    <>
      {log.dropped > 0 && (
        <p class="quiet">The first {format.bytes(log.dropped)} are not shown here.</p>
      )}
      <pre
        ref={box}
        class="log"
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={`${stream} of the task`}
        onScroll={noteScroll}
      >
        {log.text}
      </pre>
      <p class="quiet log-foot" role="status">
        {footOf(log, end)}
        {!sticks && (
          <button type="button" class="plain" onClick={() => setSticks(true)}>
            Go to the end
          </button>
        )}
      </p>
    </>
  );
}

function footOf({ text }: LogText, end: { error: string | undefined } | undefined): string {
  if (end?.error !== undefined) return end.error;
  if (end) return text === '' ? 'It printed nothing here.' : 'The task has ended. This is all.';
  return text === '' ? 'Waiting for output…' : 'Following…';
}
