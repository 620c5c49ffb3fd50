/** Progress on stderr: on a terminal one line that is replaced, elsewhere a line now and then. */
import type { Terminal } from './terminal.ts';

export interface Progress {
  /**
   * Shows the current state. On a terminal it replaces the line. Elsewhere it is printed when it
   * differs from the last line and that one is old enough, so that quick work prints nothing.
   */
  show(text: string): void;
  /** Ends the line. The last text, if there is one, is always printed. */
  end(text?: string): void;
}

/** Often enough to follow a log as it grows, rarely enough not to fill one that is kept. */
const LINE_EVERY_MS = 5000;
const WIDEST = 110;

export interface ProgressOptions {
  /** Shortest time between two lines where the line cannot be replaced. */
  lineEveryMs?: number;
  /** For tests. */
  nowMs?: () => number;
}

export function startProgress(
  { err, errIsLive }: Pick<Terminal, 'err' | 'errIsLive'>,
  { lineEveryMs = LINE_EVERY_MS, nowMs = Date.now }: ProgressOptions = {},
): Progress {
  let shown = '';
  let shownMs = nowMs();
  const writeLive = (text: string): void => {
    const cut = text.length > WIDEST ? `${text.slice(0, WIDEST - 1)}…` : text;
    err.write(`\r\u001b[2K${cut}`);
  };
  return {
    show(text) {
      if (text === shown) return;
      if (errIsLive) writeLive(text);
      else {
        if (nowMs() - shownMs < lineEveryMs) return;
        err.write(`${text}\n`);
      }
      shown = text;
      shownMs = nowMs();
    },
    end(text) {
      if (errIsLive) {
        if (text === undefined && shown === '') return;
        writeLive(text ?? shown);
        err.write('\n');
      } else if (text !== undefined && text !== shown) err.write(`${text}\n`);
      shown = '';
    },
  };
}
