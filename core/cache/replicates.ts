/**
 * Replicates: rows of one scatter that do the same, such as the repetitions of a random simulation.
 * Each is run and has a result of its own. Which of them a task is, is counted when the scatter is
 * accepted, because fingerprints are computed in chunks that run in parallel.
 */
import { hash } from 'node:crypto';
import type { ExecutorOf, InputOf, OutputOf } from '../task/task.ts';
import type { SplitTask, Template, Text } from '../task/template.ts';

/** What a template does, without the texts that a fingerprint ignores. */
interface CallForm {
  /** Of equal templates equal, with its slots numbered in the order of `slots`. */
  text: string;
  /** The slots that count. */
  slots: readonly number[];
}

function callFormOf(template: Template): CallForm {
  const slots: number[] = [];
  const kept = (text: Text | undefined): string | number | null => {
    if (text === undefined || typeof text === 'string') return text ?? null;
    slots.push(text.slot);
    return slots.length - 1;
  };
  const input = ({ url, path, type, content }: InputOf<Text>) => [
    type,
    kept(path),
    ...(content === undefined ? [kept(url)] : [null, kept(content)]),
  ];
  const output = ({ path, path_prefix, type }: OutputOf<Text>) => [
    type,
    kept(path),
    kept(path_prefix),
  ];
  const executor = (one: ExecutorOf<Text>) => [
    one.image,
    one.command.map(kept),
    [one.workdir, one.stdin, one.stdout, one.stderr].map(kept),
    Object.entries(one.env ?? {})
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, text]) => [name, kept(text)]),
    one.ignore_error ?? false,
  ];
  const { job_role: role, backend_parameters: parameters } = template.resources;
  const missing = parameters?.['missing_outputs'];
  const form = [
    template.inputs.map(input),
    template.outputs.map(output),
    template.executors.map(executor),
    template.volumes.map(kept),
    [role ?? null, missing ?? null],
  ];
  return { text: JSON.stringify(form), slots };
}

/**
 * For each row, in order: 0 for the first of its kind, n for the n-th. Output URLs, names,
 * descriptions and resources do not count.
 * @param rows as `splitTask` made them; rows that share a template object are compared by their
 * values alone, which is what makes this cheap
 */
export function countReplicates(rows: readonly SplitTask[]): number[] {
  const forms = new Map<Template, { number: number; slots: readonly number[] }>();
  const numbers = new Map<string, number>();
  const formOf = (template: Template) => {
    const known = forms.get(template);
    if (known) return known;
    const { text, slots } = callFormOf(template);
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    const form = { number, slots };
    forms.set(template, form);
    return form;
  };
  const times = new Map<string, number>();
  return rows.map(({ template, values }) => {
    const { number, slots } = formOf(template);
    const counting = JSON.stringify(slots.map((slot) => values[slot]));
    const call = `${number} ${hash('sha256', counting, 'base64')}`;
    const nth = (times.get(call) ?? 0) + 1;
    times.set(call, nth);
    return nth === 1 ? 0 : nth;
  });
}
