/**
 * A Cromwell for tests: tasks as its TES backend posts them (test/fixtures/cromwell), scripts as it
 * writes them, and a client that is as strict. Written from Cromwell's source, without a live
 * Cromwell.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface CromwellTask {
  name: string;
  description: string;
  inputs: { name: string; url: string; path: string; type: string }[];
  outputs: { name: string; url: string; path: string; type: string }[];
  executors: { image: string; command: string[]; stdout: string; stderr: string }[];
  tags: Record<string, string | null>;
}

/**
 * Programs that Cromwell's scripts and the shims need and this machine lacks. Without them the
 * tests are skipped.
 */
export function missingPrograms(names: readonly string[]): string[] {
  const isThere = (name: string): boolean =>
    (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  return names.filter((name) => !isThere(name));
}

export const fixtures = [
  'granular-glob-root-workflow',
  'granular-s3-shard3-attempt2-labels',
  'output-mode-root-nulls',
  's3-root',
] as const;

/** The queue that a fixture names does not exist; the local Batch has this one. */
const QUEUE = {
  theirs: 'arn:aws:batch:us-east-1:111122223333:job-queue/default',
  ours: 'batchwell',
};

/**
 * A fixture. With `workflowId` it is another run of the same call; with `root` it is below another
 * root.
 */
export function cromwellTask(
  fixture: string,
  { workflowId, root }: { workflowId?: string; root?: string } = {},
): CromwellTask {
  let text = readFileSync(new URL(`fixtures/cromwell/${fixture}.json`, import.meta.url), 'utf8');
  text = text.replaceAll(QUEUE.theirs, QUEUE.ours);
  const original = JSON.parse(text) as CromwellTask;
  if (workflowId !== undefined)
    text = text.replaceAll(String(original.tags['workflow_id']), workflowId);
  if (root !== undefined) text = text.replaceAll('/cromwell-executions/', `${root}/`);
  return JSON.parse(text) as CromwellTask;
}

/**
 * The same call with its paths on Cromwell's host below a folder. Paths in the container do not
 * change.
 */
export function onMount(task: CromwellTask, folder: string): CromwellTask {
  const moved = <F extends { url: string }>(file: F): F =>
    file.url.startsWith('/') ? { ...file, url: folder + file.url } : file;
  return { ...task, inputs: task.inputs.map(moved), outputs: task.outputs.map(moved) };
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

/**
 * The script around a command, as Cromwell writes it: random temporary folder, fifos with a part of
 * the workflow's id, its `script-epilogue`, rc at the end.
 */
export function cromwellScript(task: CromwellTask, command: string, epilogue = 'sync'): string {
  const script = task.inputs.find(({ name }) => name === 'commandScript')?.path ?? '';
  const call = folderOf(folderOf(script));
  const at = folderOf(task.executors[0]?.stdout ?? '');
  const piece = String(task.tags['workflow_id']).slice(0, 8);
  const random = Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
  return `#!/bin/bash

cd ${at}
tmpDir=$(mkdir -p "${call}/tmp.${random}" && echo "${call}/tmp.${random}")
chmod 777 "$tmpDir"
export _JAVA_OPTIONS=-Djava.io.tmpdir="$tmpDir"
export TMPDIR="$tmpDir"
export HOME="$HOME"
(
cd ${at}

)
out${piece}="\${tmpDir}/out.$$" err${piece}="\${tmpDir}/err.$$"
mkfifo "$out${piece}" "$err${piece}"
trap 'rm "$out${piece}" "$err${piece}"' EXIT
touch '${at}/stdout' '${at}/stderr'
tee '${at}/stdout' < "$out${piece}" &
tee '${at}/stderr' < "$err${piece}" >&2 &
(
cd ${at}


${command}
)  > "$out${piece}" 2> "$err${piece}"
echo $? > ${at}/rc.tmp
(
# add a .file in every empty directory to facilitate directory delocalization on the cloud
cd ${at}
find . -type d -exec sh -c '[ -z "$(ls -A '"'"'{}'"'"')" ] && touch '"'"'{}'"'"'/.file' \\;
)
(
cd ${at}
${epilogue}


)
mv ${at}/rc.tmp ${at}/rc`;
}

/** A command that writes every declared output from the inputs. */
export function workOf(task: CromwellTask): string {
  const inputs = task.inputs
    .filter(({ name }) => name !== 'commandScript')
    .map(({ path, type }) => (type === 'DIRECTORY' ? `${path}/*` : path));
  const own = new Set(['rc', 'stdout', 'stderr', 'commandScript']);
  const lines = task.outputs
    .filter(({ name }) => !own.has(name))
    .map(({ path, type }) => {
      const file = type === 'DIRECTORY' ? `${path}/part-0` : path;
      return `mkdir -p ${folderOf(file)}; cat ${inputs.join(' ')} | tr a-z A-Z > ${file}`;
    });
  return [...lines, 'echo worked', 'echo noted >&2'].join('\n');
}

/** Cromwell's own map (TesResponse.scala): any other state counts as running. */
const TERMINAL: Record<string, 'done' | 'failed' | 'aborted'> = {
  COMPLETE: 'done',
  EXECUTOR_ERROR: 'failed',
  SYSTEM_ERROR: 'failed',
  CANCELED: 'aborted',
};
const RUNNING = new Set(['UNKNOWN', 'QUEUED', 'INITIALIZING', 'RUNNING', 'PAUSED']);

interface FullTask {
  state: string;
  logs: {
    start_time?: string;
    metadata?: Record<string, unknown>;
    outputs: { url: string; size_bytes?: string }[];
  }[];
}

export interface CromwellClient {
  post(task: CromwellTask): Promise<string>;
  /** Polls as Cromwell does until the task ends. Throws when Cromwell would fail the call. */
  ended(id: string): Promise<'done' | 'failed' | 'aborted'>;
  full(id: string): Promise<FullTask>;
  cancel(id: string): Promise<void>;
}

/** @param endpoint the whole URL of the task collection, as in Cromwell's configuration */
export function cromwellClient(endpoint: string): CromwellClient {
  const ask = async (url: string, init: RequestInit = {}): Promise<unknown> => {
    const answer = await fetch(url, init);
    if (!answer.ok)
      throw new Error(`Cromwell fails a call for good at ${answer.status}: ${await answer.text()}`);
    if (!answer.headers.get('content-type')?.startsWith('application/json'))
      throw new Error(
        `Cromwell reads application/json only, not ${answer.headers.get('content-type')}`,
      );
    return answer.json();
  };
  const full = async (id: string): Promise<FullTask> => {
    const task = (await ask(`${endpoint}/${id}?view=FULL`)) as FullTask;
    for (const { size_bytes: size } of task.logs.flatMap(({ outputs }) => outputs)) {
      if (size !== undefined && !(Number(size) <= 2 ** 31 - 1))
        throw new Error(`Cromwell cannot read size_bytes ${size}`);
    }
    return task;
  };
  return {
    full,
    async post(task) {
      const { id } = (await ask(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(task),
      })) as { id: string };
      return id;
    },
    async ended(id) {
      let priced = false;
      for (;;) {
        const task: FullTask = priced
          ? ((await ask(`${endpoint}/${id}?view=MINIMAL`)) as FullTask)
          : await full(id);
        if (!priced)
          priced =
            task.logs[0]?.start_time !== undefined &&
            typeof task.logs[0].metadata?.['vm_price_per_hour_usd'] === 'string';
        const terminal = TERMINAL[task.state];
        if (terminal !== undefined) return terminal;
        if (!RUNNING.has(task.state))
          throw new Error(`Cromwell does not know the state ${task.state}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    async cancel(id) {
      await ask(`${endpoint}/${id}:cancel`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '',
      });
    },
  };
}
