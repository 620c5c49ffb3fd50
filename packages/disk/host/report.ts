/** Lines for the journal of systemd; what people must hear of goes to CloudWatch as well. */
import type { DiskEvent } from '../rules/events.ts';
import { paths } from './paths.ts';
import { run } from './programs.ts';

export interface Reporter {
  event(event: DiskEvent): void;
  /** To CloudWatch only. */
  metrics(line: string): void;
}

/** Lines that wait while CloudWatch does not answer. */
const MOST_WAITING = 20;

export function reporter(nowMs: () => number = Date.now): Reporter {
  const waiting: string[] = [];
  let isSending = false;
  const send = async (): Promise<void> => {
    if (isSending) return;
    isSending = true;
    for (let line = waiting.shift(); line !== undefined; line = waiting.shift())
      await run(paths.awsGet, ['--log', line]);
    isSending = false;
  };
  const tell = (line: string): void => {
    if (waiting.length >= MOST_WAITING) waiting.shift();
    waiting.push(line);
    void send();
  };
  return {
    event: ({ event, level, fields }) => {
      const line = JSON.stringify({
        time: new Date(nowMs()).toISOString(),
        level,
        event,
        ...fields,
      });
      console.log(line);
      if (level === 'error') tell(line);
    },
    metrics: tell,
  };
}
