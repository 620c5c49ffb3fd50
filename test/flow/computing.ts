/**
 * Containers that compute: they read their inputs from S3 and write their outputs by the stager's own code, and what
 * they write depends on every byte they read. So a test can say what any output should hold.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ResultRecord, StagerError } from '../../core/result/result.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import { fetchInputs } from '../../stager/inputs.ts';
import { uploadOutputs } from '../../stager/outputs.ts';
import { openReach } from '../../stager/reach.ts';
import { createUploader } from '../../stager/upload.ts';

/** Bytes by path: '' for a FILE, below its own path for a DIRECTORY. */
export type Files = ReadonlyMap<string, Buffer>;

/** The command of a task that computes. Equal words and equal inputs make equal outputs. */
export const computes = (words: string): string[] => ['compute', words];

const hexOf = (parts: readonly (string | Buffer)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest('hex');
};

const inOrder = (files: Files): [string, Buffer][] =>
  [...files].toSorted(([a], [b]) => (a < b ? -1 : 1));

/** Sizes of what is computed: so few that another result has often as many bytes. */
const SIZES = [24, 24, 24, 40];
/** Above the stager's limit for one PUT: uploaded in parts. */
const BIG_BYTES = 65 * 1024 ** 2;

/** The first word of a command whose outputs are uploaded in parts. */
export const BIG = 'big ';

/** What a task computes of what it read, by its declared outputs: as many bytes as another result, mostly. */
export function resultOf(spec: TaskSpec, inputs: readonly Files[]): Files[] {
  const { command } = spec.executors[0] ?? { command: [] };
  const seed = hexOf([
    JSON.stringify(command),
    ...inputs.flatMap((files) => ['input', ...inOrder(files).flat()]),
  ]);
  const size = command[1]?.startsWith(BIG)
    ? BIG_BYTES
    : SIZES[Number.parseInt(seed.slice(0, 2), 16) % SIZES.length];
  return spec.outputs.map(({ type }, position): Files => {
    const bytesOf = (name: string): Buffer =>
      Buffer.alloc(size ?? 0, hexOf([seed, String(position), name]));
    if (type === 'FILE') return new Map([['', bytesOf('')]]);
    const count = 1 + (Number.parseInt(seed.slice(2, 4), 16) % 3);
    return new Map(Array.from({ length: count }, (_, at) => [`f${at}`, bytesOf(`f${at}`)]));
  });
}

export interface Computed {
  record: ResultRecord;
  /** Absent when an input could not be read. */
  outputs?: Files[];
}

/** One attempt. @param between awaited when the inputs are on disk */
export async function compute(
  s3: S3Client,
  spec: TaskSpec,
  between: () => Promise<void>,
): Promise<Computed> {
  const root = await mkdtemp(join(tmpdir(), 'computing-'));
  try {
    return await computeIn(root, { s3, spec, between });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

interface Attempt {
  s3: S3Client;
  spec: TaskSpec;
  between: () => Promise<void>;
}

async function computeIn(root: string, { s3, spec, between }: Attempt): Promise<Computed> {
  const startedMs = Date.now();
  const within = (path: string): string => join(root, path);
  const fetched = await fetchInputs(
    s3,
    spec.inputs.map(({ url = '', path, type }) => ({
      kind: type === 'FILE' ? 'file' : 'folder',
      url,
      path: within(path),
      name: '',
    })),
  );
  if ('error' in fetched) return { record: failed(startedMs, fetched.error) };
  await between();
  const outputs = resultOf(
    spec,
    await Promise.all(spec.inputs.map(({ path, type }) => filesAt(within(path), type))),
  );
  for (const [position, files] of outputs.entries())
    for (const [name, bytes] of files) {
      const path = join(within(spec.outputs[position]?.path ?? ''), name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
    }
  const uploaded = await uploadOutputs(
    createUploader(s3),
    spec.outputs.map(({ type, url, path }) => ({ type, url, path: within(path) })),
    { fetched: fetched.fetched, reach: await openReach({ given: [root] }) },
  );
  const endedMs = Date.now();
  return {
    outputs,
    record: {
      startedMs,
      endedMs,
      executors: [{ exitCode: 0, startedMs, endedMs }],
      inputs: fetched.inputs,
      ...uploaded,
    },
  };
}

const failed = (startedMs: number, error: StagerError): ResultRecord => ({
  startedMs,
  endedMs: Date.now(),
  executors: [],
  outputs: [],
  missingOutputs: [],
  error,
});

async function filesAt(path: string, type: 'FILE' | 'DIRECTORY'): Promise<Files> {
  if (type === 'FILE') return new Map([['', await readFile(path)]]);
  const names = await readdir(path);
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(path, name))] as const)),
  );
}
