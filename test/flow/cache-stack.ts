/** A whole Batchwell with real tasks for tests of the call cache: what its users do, in a few words. */
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startStack, type Stack } from '../../cli/stack.ts';

/** Of a task, as far as these tests look. */
interface EndedTask {
  id: string;
  state: string;
  isHit: boolean;
  warnings: string[];
}

export interface CacheStack {
  bucket: string;
  url(key: string): string;
  put(key: string, body: string | Buffer): Promise<void>;
  text(key: string): Promise<string | undefined>;
  /** Submits the task and waits until it has ended. */
  run(task: object): Promise<EndedTask>;
  submit(task: object): Promise<string>;
  ended(id: string): Promise<EndedTask>;
  /** Submits the scatter, waits until it has ended, and returns its state counts. */
  scatter(body: object): Promise<{ states: Record<string, number> }>;
  /** Waits until the fleet knows what the inputs of the task hold: from then on they are to stay as they are. */
  checked(id: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** Delays each read of this key's bytes. Only the stager reads them: the fleet asks for their identity. */
  delayReads(key: string, delayMs: number): Promise<void>;
  /** Delays the start of the next container by so much. */
  delayNextStart(delayMs: number): Promise<void>;
  /** Waits until the bytes of this key have been read. */
  wasRead(key: string): Promise<void>;
  stop(): Promise<void>;
}

interface TaskView {
  id: string;
  state: string;
  logs?: { metadata?: Record<string, string>; system_logs?: string[] }[];
}

const ENDED = new Set(['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED']);
const LOOK_MS = 60;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function startCacheStack(): Promise<CacheStack> {
  const stack = await startStack({
    // Without the other settings of the machine that runs the test.
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    },
    settings: {
      BATCHWELL_CACHE: 'readwrite',
      BATCHWELL_POLL_MS: '200',
      BATCHWELL_PACK_IDLE_MS: '50',
    },
  });
  const s3 = new S3Client({
    endpoint: stack.localAws?.s3Url ?? '',
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const url = (key: string): string => `s3://${stack.bucket}/${key}`;
  const submit = async (task: object): Promise<string> =>
    (await ask<{ id: string }>(stack, '/ga4gh/tes/v1/tasks', task)).id;
  const ended = (id: string): Promise<EndedTask> => waitForEnd(stack, id);
  return {
    bucket: stack.bucket,
    url,
    put: async (key, body) => void (await stack.objects.put(url(key), body)),
    text: async (key) => (await stack.objects.get(url(key)))?.toString(),
    submit,
    ended,
    run: async (task) => ended(await submit(task)),
    scatter: (body) => runScatter(stack, body),
    checked: (id) => waitForCheck(stack, id),
    remove: async (key) =>
      void (await s3.send(new DeleteObjectCommand({ Bucket: stack.bucket, Key: key }))),
    delayReads: (key, delayMs) =>
      addFault(stack.localAws?.s3Url, {
        service: 's3',
        operation: 'GetObject',
        match: url(key).slice('s3://'.length),
        kind: 'delay',
        delayMs,
      }),
    delayNextStart: (delayMs) =>
      addFault(stack.localAws?.batchUrl, {
        service: 'batch',
        operation: 'StartAttempt',
        kind: 'slow-start',
        delayMs,
        times: 1,
      }),
    wasRead: (key) => waitForRead(stack, key),
    async stop() {
      s3.destroy();
      await stack.stop();
    },
  };
}

async function ask<T>({ apiUrl }: Stack, path: string, body?: object): Promise<T> {
  const reply = await fetch(apiUrl + path, {
    ...(body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${path} answered ${reply.status}: ${text}`);
  return JSON.parse(text) as T;
}

async function waitForEnd(stack: Stack, id: string): Promise<EndedTask> {
  for (;;) {
    const task = await ask<TaskView>(stack, `/ga4gh/tes/v1/tasks/${id}?view=FULL&wait=10s`);
    const [log] = task.logs ?? [];
    if (ENDED.has(task.state))
      return {
        id,
        state: task.state,
        isHit: log?.metadata?.['cache'] === 'hit',
        warnings: log?.system_logs ?? [],
      };
    await pause(LOOK_MS);
  }
}

async function runScatter(stack: Stack, body: object): Promise<{ states: Record<string, number> }> {
  const { id } = await ask<{ id: string }>(stack, '/v1/scatters', body);
  for (;;) {
    const seen = await ask<{ ended: boolean; states: Record<string, number> }>(
      stack,
      `/v1/scatters/${id}`,
    );
    if (seen.ended) return seen;
    await pause(LOOK_MS);
  }
}

async function waitForCheck(stack: Stack, id: string): Promise<void> {
  for (;;) {
    const { spans } = await ask<{ spans: { what: string; to?: string }[] }>(
      stack,
      `/v1/tasks/${id}/timeline`,
    );
    if (spans.some(({ what, to }) => what === 'cache-check' && to !== undefined)) return;
    await pause(5);
  }
}

async function addFault(serviceUrl: string | undefined, rule: object): Promise<void> {
  const reply = await fetch(`${serviceUrl}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify(rule),
  });
  if (!reply.ok) throw new Error(`The fault was refused: ${await reply.text()}`);
}

async function waitForRead({ localAws, bucket }: Stack, key: string): Promise<void> {
  for (;;) {
    const reply = await fetch(`${localAws?.s3Url}/_local/ledger`);
    const { recent } = (await reply.json()) as {
      recent: { operation: string; detail?: { subject?: string } }[];
    };
    const isOfKey = ({ operation, detail }: (typeof recent)[number]): boolean =>
      operation.endsWith('GetObject') && detail?.subject === `${bucket}/${key}`;
    if (recent.some(isOfKey)) return;
    await pause(LOOK_MS);
  }
}
