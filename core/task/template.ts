/**
 * A template is a task whose varying texts are slots. Tasks that differ only in values share one
 * template, and so one script object in S3 and one row in MySQL. A task is a template and its
 * values.
 */
import { isSecretName } from './secret-names.ts';
import type { ExecutorOf, InputOf, OutputOf, TaskOf, TaskSpec } from './task.ts';

interface Slot {
  /** Position in the task's values, from 0. */
  slot: number;
}
export type Text = string | Slot;
export type Template = TaskOf<Text>;

/**
 * Longer texts stay in the template. Nearly always they are a program that many tasks share; a task
 * with a long text of its own costs only one more template.
 */
const LONGEST_VALUE = 1024;

/**
 * Rebuilds a task with every text passed through `change`, in one fixed order.
 * @param change is told whether the text is the value of a secret variable
 */
export function mapTexts<A, B>(
  task: TaskOf<A>,
  change: (text: A, isSecret: boolean) => B,
): TaskOf<B> {
  const optional = <K extends string>(key: K, text: A | undefined) =>
    (text === undefined ? {} : { [key]: change(text, false) }) as { [P in K]?: B };

  const input = (one: InputOf<A>): InputOf<B> => ({
    ...optional('name', one.name),
    ...optional('description', one.description),
    ...optional('url', one.url),
    path: change(one.path, false),
    type: one.type,
    ...optional('content', one.content),
  });
  const output = (one: OutputOf<A>): OutputOf<B> => ({
    ...optional('name', one.name),
    ...optional('description', one.description),
    url: change(one.url, false),
    path: change(one.path, false),
    ...optional('path_prefix', one.path_prefix),
    type: one.type,
  });
  const executor = (one: ExecutorOf<A>): ExecutorOf<B> => ({
    image: one.image,
    command: one.command.map((text) => change(text, false)),
    ...optional('workdir', one.workdir),
    ...optional('stdin', one.stdin),
    ...optional('stdout', one.stdout),
    ...optional('stderr', one.stderr),
    ...(one.env && {
      env: Object.fromEntries(
        Object.entries(one.env).map(([name, text]) => [name, change(text, isSecretName(name))]),
      ),
    }),
    ...(one.ignore_error === undefined ? {} : { ignore_error: one.ignore_error }),
  });

  return {
    inputs: task.inputs.map(input),
    outputs: task.outputs.map(output),
    executors: task.executors.map(executor),
    resources: task.resources,
    volumes: task.volumes.map((volume) => change(volume, false)),
  };
}

export interface SplitTask {
  template: Template;
  values: string[];
}

/**
 * Splits a task into what it may share with others and its own values. The values of secret
 * variables always are its own: the script in S3 holds the template, and only values are sealed.
 */
export function splitTask(spec: TaskSpec): SplitTask {
  const values: string[] = [];
  const template = mapTexts<string, Text>(spec, (text, isSecret) => {
    if (text.length > LONGEST_VALUE && !isSecret) return text;
    values.push(text);
    return { slot: values.length - 1 };
  });
  return { template, values };
}

/** The whole task. @throws RangeError that names the slot when a value is missing */
export function fillTemplate(template: Template, values: readonly string[]): TaskSpec {
  return mapTexts(template, (text) => {
    if (typeof text === 'string') return text;
    const value = values[text.slot];
    if (value === undefined)
      throw new RangeError(
        `Template slot ${text.slot} has no value; the task has ${values.length} values.`,
      );
    return value;
  });
}

/**
 * Moves texts that are equal in all rows into the template, so that a scatter of 10,000 stores its
 * common texts once; values of secret variables stay. A single row stays as it is: its constants cannot be told from its values.
 */
export function hoistConstants(
  template: Template,
  rows: readonly (readonly string[])[],
): { template: Template; rows: string[][] } {
  const [first] = rows;
  if (!first || rows.length < 2) return { template, rows: rows.map((row) => [...row]) };

  const secret = new Set<number>();
  mapTexts<Text, void>(template, (text, isSecret) => {
    if (isSecret && typeof text !== 'string') secret.add(text.slot);
  });
  const varies = first.map(
    (text, slot) => secret.has(slot) || rows.some((row) => row[slot] !== text),
  );
  const place = new Map<number, number>();
  varies.forEach((does, slot) => {
    if (does) place.set(slot, place.size);
  });

  const narrowed = mapTexts<Text, Text>(template, (text) => {
    if (typeof text === 'string') return text;
    const slot = place.get(text.slot);
    return slot === undefined ? (first[text.slot] ?? '') : { slot };
  });
  return { template: narrowed, rows: rows.map((row) => row.filter((_, slot) => varies[slot])) };
}
