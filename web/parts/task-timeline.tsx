/** The life of a task as bars. */
import type { Timeline } from '../../packages/client/client.ts';
import { useRead, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { barsOf, longestOf } from '../model/timeline.ts';
import { Loading, Trouble } from './basics.tsx';

const byWords = { us: 'Batchwell', batch: 'AWS Batch', task: 'the task' };

/** @param state reads it again when it changes */
export function TaskTimeline({
  id,
  everyMs,
  state,
}: {
  id: string;
  everyMs: number;
  state: string;
}) {
  const { service } = useShared();
  const { data, error } = useRead<Timeline>(
    `timeline ${id} ${state}`,
    (signal) => service.client.timeline(id, { signal }),
    everyMs,
  );
  if (!data) return error === undefined ? <Loading /> : <Trouble error={error} />;
  const bars = barsOf(data.spans);
  const longest = longestOf(bars);
  return (
    <>
      <Trouble error={error} />
      {longest && (
        <p class="answer">
          {longest.label}: {format.duration(longest.ms)}, the longest step.
        </p>
      )}
      <ol class="bars timeline" aria-label="Steps of the task, in order">
        {bars.map((bar, position) => (
          <li key={position}>
            <span class="bar-name">{bar.label}</span>
            <span class="bar-track" aria-hidden="true">
              <span
                class={`bar by-${bar.by} ${bar.open ? 'open' : ''}`}
                style={{
                  marginLeft: `${bar.from}%`,
                  width: `${Math.min(bar.width, 100 - bar.from)}%`,
                }}
              />
            </span>
            <span class="bar-value">
              {format.duration(bar.ms)}
              {bar.open && <em> so far</em>}
            </span>
          </li>
        ))}
      </ol>
      <ul class="legend">
        {(['us', 'batch', 'task'] as const).map((by) => (
          <li key={by}>
            <span class={`dot by-${by}`} aria-hidden="true" /> {byWords[by]}
          </li>
        ))}
      </ul>
    </>
  );
}
