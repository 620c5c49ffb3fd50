/** All tasks of a scatter on one time line, as a picture in SVG. */
import { formatDuration } from '../output/table.ts';
import type { ReportFacts, TaskBar } from './facts.ts';
import { html, type Html } from './html.ts';

const WIDTH = 1000;
const TALLEST = 4000;
const HIGHEST_ROW = 14;
/** With more tasks, a tooltip of each would make the file slow to open. */
const MOST_WITH_TITLES = 3000;

const kindOf = ({ state, isHit }: TaskBar): string => {
  if (isHit) return 'hit';
  if (state === 'COMPLETE') return 'done';
  if (state === 'CANCELED') return 'cancelled';
  return state === 'RUNNING' || state === 'QUEUED' ? 'running' : 'failed';
};

export function drawTimeline({ bars, startedMs, endedMs }: ReportFacts): Html {
  const spanMs = Math.max(1, endedMs - startedMs);
  const rowHeight = Math.min(HIGHEST_ROW, TALLEST / Math.max(1, bars.length));
  const height = Math.ceil(rowHeight * bars.length);
  const x = (ms: number): number => Math.max(0, ((ms - startedMs) / spanMs) * WIDTH);
  const rows = bars.map((bar, at) =>
    drawBar(bar, { at, rowHeight, x, endedMs, isNamed: bars.length <= MOST_WITH_TITLES }),
  );
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) => html`<span style="left:${share * 100}%">${formatDuration(share * spanMs)}</span>`,
  );
  return html`<div class="axis">${ticks}</div>
    <svg
      viewBox="0 0 ${WIDTH} ${height}"
      width="100%"
      height="${height}"
      preserveAspectRatio="none"
      role="img"
      aria-label="Time line of ${bars.length} tasks"
    >
      ${rows}
    </svg>`;
}

interface Drawn {
  at: number;
  rowHeight: number;
  x(ms: number): number;
  endedMs: number;
  isNamed: boolean;
}

function drawBar(bar: TaskBar, { at, rowHeight, x, endedMs, isNamed }: Drawn): Html {
  const y = (at * rowHeight).toFixed(2);
  const high = (rowHeight * 0.8).toFixed(2);
  const end = bar.endedMs ?? endedMs;
  const begin = bar.startedMs ?? (bar.isHit ? bar.createdMs : end);
  const rect = (kind: string, from: number, to: number): Html =>
    html`<rect
      class="${kind}"
      x="${x(from).toFixed(2)}"
      y="${y}"
      width="${Math.max(1, x(to) - x(from)).toFixed(2)}"
      height="${high}"
    />`;
  const waited = bar.isHit ? undefined : rect('waited', bar.createdMs, begin);
  const ran =
    bar.startedMs === undefined && !bar.isHit && bar.endedMs === undefined
      ? undefined
      : rect(kindOf(bar), begin, end);
  if (!isNamed) return html`${waited}${ran}`;
  const words = `${bar.id} ${bar.name} · ${bar.isHit ? 'cache hit' : bar.state} · ${formatDuration(end - begin)}`;
  return html`<g><title>${words}</title>${waited}${ran}</g>`;
}
