/** The text of a followed log, of which only the end is kept. Pure. */
import type { LogLine } from '../../packages/client/client.ts';

export interface LogText {
  text: string;
  /** How many characters were dropped from the beginning. */
  dropped: number;
}

const MOST_CHARACTERS = 400_000;

const beginnings: Record<NonNullable<LogLine['began']>, string> = {
  attempt: 'a new attempt of the task',
  'batch-attempt': 'AWS Batch restarted the job',
  file: 'the task replaced its file',
};

const partsOf = (line: LogLine): string[] => [
  ...(line.began ? [`\n— ${beginnings[line.began]} (attempt ${line.attempt}) —\n`] : []),
  ...(line.skipped_bytes ? [`\n— ${line.skipped_bytes} bytes were left out —\n`] : []),
  ...(line.text === undefined ? [] : [line.text]),
];

export function appendLines({ text, dropped }: LogText, lines: readonly LogLine[]): LogText {
  const joined = text + lines.flatMap(partsOf).join('');
  if (joined.length <= MOST_CHARACTERS) return { text: joined, dropped };
  // From the beginning of a line.
  const cut = joined.indexOf('\n', joined.length - MOST_CHARACTERS) + 1;
  return { text: joined.slice(cut), dropped: dropped + cut };
}
