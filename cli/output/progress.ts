/** Progress on stderr: on a terminal lines that are replaced, elsewhere a line now and then. */
import { createLogUpdate } from 'log-update';
import { paint } from './paint.ts';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /**
   * Shows the current state. On a terminal it replaces what was shown. Elsewhere it is printed when it
   * differs from the last line and that one is old enough, so that quick work prints nothing.
   * @param share how much is done, from 0 to 1: shown as a bar on a terminal
   */
  show(text: string, share?: number): void;
  /** Ends the line. The last text, if there is one, is always printed. */
  end(text?: string): void;
}

/** Often enough to follow a log as it grows, rarely enough not to fill one that is kept. */
const LINE_EVERY_MS = 5000;

export interface ProgressOptions {
  /** Shortest time between two lines where the line cannot be replaced. */
  lineEveryMs?: number;
  /** For tests. */
  nowMs?: () => number;
}

type ProgressTerminal = Pick<Terminal, 'err' | 'errIsLive' | 'errColour' | 'columns'>;

export function startProgress(
  terminal: ProgressTerminal,
  { lineEveryMs = LINE_EVERY_MS, nowMs = Date.now }: ProgressOptions = {},
): Progress {
  return terminal.errIsLive ? onTerminal(terminal) : inLog(terminal, lineEveryMs, nowMs);
}

function onTerminal({ err, columns, errColour }: ProgressTerminal): Progress {
  // The cursor stays: a killed process could not show it again.
  const update = createLogUpdate(err, { defaultWidth: columns, showCursor: true });
  let shown = '';
  return {
    show(text, share) {
      shown = text;
      update(share === undefined ? text : `${formatBar(share, columns, errColour)}\n${text}`);
    },
    end(text) {
      if (text === undefined && shown === '') return;
      update(text ?? shown);
      update.done();
      shown = '';
    },
  };
}

function inLog({ err }: ProgressTerminal, lineEveryMs: number, nowMs: () => number): Progress {
  let shown = '';
  let shownMs = nowMs();
  return {
    show(text) {
      if (text === shown || nowMs() - shownMs < lineEveryMs) return;
      err.write(`${text}\n`);
      shown = text;
      shownMs = nowMs();
    },
    end(text) {
      if (text !== undefined && text !== shown) err.write(`${text}\n`);
      shown = '';
    },
  };
}

const WIDEST_BAR = 60;
const PERCENT_CELLS = 6;

/** `━━━━━━━━────────  50 %` */
function formatBar(share: number, columns: number, colour: boolean): string {
  const cells = Math.max(10, Math.min(WIDEST_BAR, columns - PERCENT_CELLS - 1));
  const full = Math.floor(Math.max(0, Math.min(1, share)) * cells);
  const percent = `${Math.floor(share * 100)} %`.padStart(PERCENT_CELLS);
  const done = paint('━'.repeat(full), 'green', { colour });
  return `${done}${paint('─'.repeat(cells - full), 'dim', { colour })}${percent}`;
}
