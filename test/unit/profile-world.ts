/**
 * Calls of clients as the cache sees them, without S3: the test gives the content of their files.
 */
import { resolveComponents } from '../../aws/fingerprints.ts';
import { createEtagTrust } from '../../aws/etag-trust.ts';
import { memoInMemory } from '../memo.ts';
import type { ObjectStore } from '../../aws/s3.ts';
import { fingerprintOf, type Components } from '../../core/cache/fingerprint.ts';
import { sha256 } from '../../core/ids.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { readPathMap } from '../../core/files/path-map.ts';
import type { NewTask } from '../../core/task/task.ts';
import { cromwellScript, workOf, type CromwellTask } from '../cromwell.ts';

const pathMap = readPathMap([
  '/srv/cromwell/cromwell-executions=s3://lab/x',
  '/mnt/cromwell-executions=s3://lab/y',
  '/data=s3://lab/data',
  '/mnt/data=s3://lab/mnt',
  '/srv/cromwell/other=s3://lab/other',
  '/mnt/other=s3://lab/third',
]);

export function parse(task: object): NewTask {
  const parsed = parseTesTask(task, { cache: 'readwrite', pathMap });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.task;
}

/** Content of files, by URL; any other file contains its own name. */
export type Contents = Record<string, string | Buffer>;

async function componentsOf({ spec, profile }: NewTask, contents: Contents): Promise<Components> {
  const held = (url: string): Buffer =>
    Buffer.from(contents[url] ?? url.slice(url.lastIndexOf('/') + 1));
  const seen = (url: string) => ({
    url,
    etag: sha256(held(url)).toString('hex').slice(0, 32),
    sizeBytes: held(url).length,
    lastModifiedMs: 1,
  });
  const objects = {
    getTail: async (url: string, bytes: number) => held(url).subarray(-bytes),
    describe: async (url: string) => ({ ...seen(url), checksums: {} }),
    async *list(url: string) {
      yield url.endsWith('run42/')
        ? [seen(`${url}file`)]
        : spec.inputs
            .flatMap((input) => (input.url?.startsWith(url) ? [seen(input.url)] : []))
            .toSorted((a, b) => (a.url < b.url ? -1 : 1));
    },
  } as unknown as ObjectStore;
  const [described] = await resolveComponents(
    { objects, memo: memoInMemory(), etags: createEtagTrust({}) },
    [{ spec, profile }],
  );
  if (!described?.components) throw new Error(`Unreadable: ${JSON.stringify(described)}`);
  return described.components;
}

export const fingerprintOfTask = async (task: NewTask, contents: Contents = {}): Promise<string> =>
  fingerprintOf(await componentsOf(task, contents)).toString('hex');

const scriptUrl = (task: NewTask): string =>
  task.spec.inputs.find(({ name }) => name === 'commandScript')?.url ?? '';

/** @param wrap changes the script that Cromwell would write */
export function cromwellCall(
  task: CromwellTask,
  command = workOf(task),
  contents: Contents = {},
  wrap = (script: string): string | Buffer => script,
): Promise<string> {
  const parsed = parse(task);
  return fingerprintOfTask(parsed, {
    [scriptUrl(parsed)]: wrap(cromwellScript(task, command)),
    ...contents,
  });
}

/** The call's folder in its container. */
export const folderOf = (task: CromwellTask): string =>
  (task.inputs.find(({ name }) => name === 'commandScript')?.path ?? '').replace(
    '/execution/script',
    '',
  );

/** The task with these texts replaced everywhere. */
export function exchange<T extends object>(task: T, texts: Record<string, string>): T {
  let text = JSON.stringify(task);
  for (const [from, to] of Object.entries(texts)) text = text.replaceAll(from, to);
  return JSON.parse(text) as T;
}
