/**
 * What a worker finds in a queue: a message of this version, of a newer one that works beside it, or
 * of nobody (docs/adr/0046-two-versions.md).
 */
import { isObject } from '../core/is-object.ts';
import type { Stage } from '../core/places.ts';
import type { Messages } from './messages.ts';

/**
 * A message without a form is of the first one. Members may be added to a form where a worker that
 * does not know them does nothing wrong; any other change is a new form, with a deduplication id of
 * its own.
 */
const NEWEST_FORM = 1;

export type ReadMessage<S extends Stage> =
  | { message: Messages[S] }
  /** A later version can read it. */
  | { newerForm: number }
  /** Why no version can. */
  | { malformed: string };

type Fields = Readonly<Record<string, unknown>>;

const isKey = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
const areKeys = (value: unknown): value is number[] => Array.isArray(value) && value.every(isKey);

const readTasks = ({ tasks }: Fields): { tasks: number[] } | undefined =>
  areKeys(tasks) ? { tasks } : undefined;

function readSubmit({ shape, submissions }: Fields): Messages['submit'] | undefined {
  if (typeof shape === 'string' && /^[0-9a-f]{32}$/.test(shape) && submissions === undefined)
    return { shape };
  return areKeys(submissions) && shape === undefined ? { submissions } : undefined;
}

const readPoll = ({ queue }: Fields): Messages['poll'] | undefined =>
  typeof queue === 'string' && queue !== '' ? { queue } : undefined;

const READERS: { readonly [S in Stage]: (data: Fields) => Messages[S] | undefined } = {
  'cache-check': readTasks,
  'stage-script': readTasks,
  submit: readSubmit,
  poll: readPoll,
  finalize: readTasks,
};

export function readMessage<S extends Stage>(stage: S, data: unknown): ReadMessage<S> {
  const fields = isObject(data) ? data : undefined;
  const form = fields?.['form'] ?? 1;
  if (typeof form === 'number' && Number.isSafeInteger(form) && form > NEWEST_FORM)
    return { newerForm: form };
  const message = fields && form === 1 ? READERS[stage](fields) : undefined;
  return message
    ? { message }
    : { malformed: `The message is not one for ${stage}: ${JSON.stringify(data)?.slice(0, 200)}` };
}
