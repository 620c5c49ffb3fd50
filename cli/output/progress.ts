/** Progress on stderr: one line that lives on a terminal, a line now and then elsewhere. */
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** What is so now. On a terminal it replaces the line; elsewhere it is printed when it is new and the last one is old enough; quick work prints none. */
  show(text: string): void;
  /** Ends the line, with a last text that is always shown. */
  end(text?: string): void;
}

/** Often enough for a log that somebody watches, rare enough for one that somebody keeps. */
const LINE_EVERY_MS = 5000;
const WIDEST = 110;

export function startProgress(
  { err, errIsLive }: Pick<Terminal, 'err' | 'errIsLive'>,
  nowMs: () => number = Date.now,
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
        if (nowMs() - shownMs < LINE_EVERY_MS) return;
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
