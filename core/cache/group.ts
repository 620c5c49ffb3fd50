/** Groups the explanations of a scatter's tasks: `9,812 of 10,000: input ref.fa changed`. */
import { spellCount } from './spell.ts';

export interface ExplainedRow {
  /** Public id of the task. */
  id: string;
  /** Few words that equal rows share. */
  brief: string;
}

export interface ExplainedGroup {
  tasks: number;
  text: string;
  /** One of them. */
  example: string;
}

/** What rows differ in by number only is one group; then the numbers are shown as `*`. */
const patternOf = (brief: string): string => brief.replaceAll(/\d+/g, '*');

/** The largest group first. */
export function groupRows(rows: readonly ExplainedRow[]): ExplainedGroup[] {
  return [...Map.groupBy(rows, ({ brief }) => patternOf(brief))]
    .map(([pattern, members]): ExplainedGroup => {
      const [first] = members;
      const isOneText = members.every(({ brief }) => brief === first?.brief);
      return {
        tasks: members.length,
        text: isOneText ? (first?.brief ?? pattern) : pattern,
        example: first?.id ?? '',
      };
    })
    .toSorted((a, b) => b.tasks - a.tasks);
}

/** @param size tasks of the scatter */
export const groupLine = ({ tasks, text }: ExplainedGroup, size: number): string =>
  `${spellCount(tasks)} of ${spellCount(size)}: ${text}`;
