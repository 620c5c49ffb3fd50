/** A task as a client sends it, read under the settings of an installation. */
import { readConfig } from '../../config.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import type { Resources } from '../../core/task/task.ts';

export interface Read {
  resources: Resources;
  warnings: string[];
}

interface Given {
  settings?: Record<string, string>;
  owner?: string;
  /** Of the token. */
  queues?: string[];
}

const parse = (resources: object, { settings = {}, owner = 'ann', queues }: Given) =>
  parseTesTask(
    { executors: [{ image: 'alpine', command: ['true'] }], resources },
    {
      cache: 'off',
      offers: { ...readConfig(settings), owner },
      ...(queues && { limits: { queues } }),
    },
  );

export function readResources(resources: object, given: Given = {}): Read {
  const read = parse(resources, given);
  if ('problems' in read) throw new Error(`refused: ${JSON.stringify(read.problems)}`);
  return { resources: read.task.spec.resources, warnings: read.warnings };
}

/** What was expected, by field. */
export function refusedResources(resources: object, given: Given = {}): Record<string, string> {
  const read = parse(resources, given);
  if (!('problems' in read)) throw new Error('accepted');
  return Object.fromEntries(read.problems.map(({ field, expected }) => [field, expected]));
}
