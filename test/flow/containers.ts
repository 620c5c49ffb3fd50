/**
 * What a task's container does, played: it takes the fence as the stager does, writes the declared
 * outputs and, as its last act, a result record. The local Batch runs it instead of a process.
 */
import { createHash } from 'node:crypto';
import { createEtagTrust } from '../../aws/etag-trust.ts';
import { inputKey, resolveInputs } from '../../aws/identities.ts';
import { memoInMemory } from '../memo.ts';
import { readDigest } from '../../core/cache/read-digest.ts';
import { S3Client } from '@aws-sdk/client-s3';
import { stagerExit } from '../../core/container/container.ts';
import { sealResultBody } from '../../core/result/result-body.ts';
import { encodeResultKey } from '../../core/result/result-key.ts';
import { encodeStartKey } from '../../core/result/start-key.ts';
import type { InputsRead, ResultRecord, UploadedFile } from '../../core/result/result.ts';
import { inSubmission, SUBMISSION_VARIABLE } from '../../core/files/s3-layout.ts';
import { SECRET_VARIABLE } from '../../core/submission/proof.ts';
import { parseS3Url } from '../../core/files/s3-url.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import type { ObjectStore } from '../../aws/s3.ts';
import type { Container, Ended, Runner } from '../../packages/local-aws/batch/runner.ts';
import { takeOrReadFence } from '../../stager/fence.ts';
import { crcOf } from '../contract/s3-between.ts';

/** How one attempt goes. By default it succeeds at once. */
export interface Behaviour {
  durationMs?: number;
  /** Waited for before anything is written. */
  until?: Promise<unknown>;
  /** Of the executor; the container ends with the same. */
  exitCode?: number;
  /** Of the outputs, by position; the commands where it says nothing. */
  contents?: string[];
  /** Positions of outputs that are not written. */
  missing?: number[];
  error?: ResultRecord['error'];
  /** Ends like this without a record. */
  noRecord?: Ended;
  /** Writes a good record, yet ends like this. */
  endsWith?: Ended;
  /** Real work in place of the played one: reads, computes, writes. What it returns is the record. */
  work?: () => Promise<ResultRecord>;
  /** How far the clock of its host is off. */
  skewMs?: number;
  /** Does not tell that it has started, as the stager of an earlier version. */
  silentStart?: true;
  /** Does not look at the fence at its start, as a stager that was just about to. */
  beforeFence?: Promise<unknown>;
}

export interface Attempted {
  taskId: number;
  spec: TaskSpec;
  container: Container;
}

/** An attempt that changed something: it wrote its outputs and its record. */
export interface Effect {
  taskId: number;
  jobId: string;
  attempt: number;
}

export interface ContainerParts {
  objects(): ObjectStore;
  /** The task at an index of a submission. */
  findTask(submissionKey: string, arrayIndex: number): Promise<{ taskId: number; spec: TaskSpec }>;
  behave(attempted: Attempted): Behaviour;
  effects: Effect[];
}

export interface PlayedRunner extends Runner {
  close(): void;
}

interface Alive {
  killed: boolean;
  /**
   * Its outputs and record are on their way: a kill comes after them, so that an effect is whole or
   * not there.
   */
  acting: boolean;
  gone: Promise<void>;
}

export function createPlayedRunner(parts: ContainerParts): PlayedRunner {
  let s3: S3Client | undefined;
  const client = (): S3Client => (s3 ??= new S3Client({}));
  return {
    name: 'simulated',
    keepsLogs: false,
    start(container) {
      const { promise: ended, resolve: finish } = Promise.withResolvers<Ended>();
      const { promise: gone, resolve: go } = Promise.withResolvers<void>();
      const alive: Alive = { killed: false, acting: false, gone };
      play(parts, client, container, alive).then(finish, (cause: unknown) =>
        finish({ exitCode: 1, reason: `The played container failed: ${String(cause)}` }),
      );
      return {
        ended,
        kill(signal) {
          alive.killed = true;
          go();
          if (!alive.acting) finish({ exitCode: signal === 'SIGKILL' ? 137 : 143, signal });
        },
      };
    },
    close: () => s3?.destroy(),
  };
}

const after = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms).unref());

function identityOf({ arrayIndex = 0, environment }: Container) {
  return {
    index: arrayIndex,
    prefix: environment[SUBMISSION_VARIABLE] ?? '',
    secret: Buffer.from(environment[SECRET_VARIABLE] ?? '', 'base64url'),
  };
}

async function play(
  parts: ContainerParts,
  s3: () => S3Client,
  container: Container,
  alive: Alive,
): Promise<Ended> {
  const { index, prefix, secret } = identityOf(container);
  const found = await parts.findTask(prefix.split('/').at(-2) ?? '', index);
  const behaviour = parts.behave({ ...found, container });
  if (behaviour.beforeFence) await Promise.race([behaviour.beforeFence, alive.gone]);
  if (alive.killed) return {};
  const fence = await takeOrReadFence(
    s3(),
    { submission: parseS3Url(prefix) ?? { bucket: '', key: '' }, secret },
    container.jobId,
  );
  if (!fence.mine) return { exitCode: stagerExit.fenced };
  if (lasts(behaviour)) await tellStart(parts.objects(), container, behaviour);

  await Promise.race([
    Promise.all([after(behaviour.durationMs ?? 0), behaviour.until]),
    alive.gone,
  ]);
  if (mayNotAct(parts, container, alive)) return {};
  if (behaviour.noRecord) return behaviour.noRecord;
  alive.acting = true;
  const record = await workOrPretend(parts.objects(), behaviour, found.spec);
  const recorded = { secret, index, attempt: container.attempt };
  await parts
    .objects()
    .put(
      prefix + inSubmission.results + encodeResultKey(recorded, record),
      sealResultBody(recorded, record),
    );
  parts.effects.push({ taskId: found.taskId, jobId: container.jobId, attempt: container.attempt });
  return behaviour.endsWith ?? endOf(record);
}

/** Nobody looks at a container that ends at once. */
const lasts = ({ durationMs, until, silentStart }: Behaviour): boolean =>
  !silentStart && (until !== undefined || (durationMs ?? 0) > 0);

async function tellStart(
  objects: ObjectStore,
  container: Container,
  behaviour: Behaviour,
): Promise<void> {
  const { index, prefix, secret } = identityOf(container);
  const key = encodeStartKey({ secret, index, attempt: container.attempt }, hostTime(behaviour));
  await objects.put(prefix + inSubmission.results + key, Buffer.alloc(0));
}

/** Like the stager: Batch's second attempt does nothing where the first left its record. */
const mayNotAct = ({ effects }: ContainerParts, { jobId }: Container, { killed }: Alive): boolean =>
  killed || effects.some((effect) => effect.jobId === jobId);

const endOf = ({ error, executors }: ResultRecord): Ended => ({
  exitCode: error ? stagerExit[error.kind] : (executors[0]?.exitCode ?? 0),
});

/** What the stager would say that it read. */
async function readInputs(
  objects: ObjectStore,
  { inputs }: TaskSpec,
): Promise<InputsRead | undefined> {
  if (inputs.length === 0) return undefined;
  const seen = await resolveInputs(
    { objects, memo: memoInMemory(), etags: createEtagTrust({}) },
    inputs,
  );
  return { digest: readDigest(inputs.map((one) => seen.get(inputKey(one))?.read ?? null)) };
}

const workOrPretend = (
  objects: ObjectStore,
  behaviour: Behaviour,
  spec: TaskSpec,
): Promise<ResultRecord> => behaviour.work?.() ?? pretend(objects, behaviour, spec);

const hostTime = ({ skewMs = 0 }: Behaviour): number => Date.now() + skewMs;

const ranMs = ({ durationMs = 0 }: Behaviour): number => durationMs;

/** Equal commands write equal outputs. */
async function pretend(
  objects: ObjectStore,
  behaviour: Behaviour,
  spec: TaskSpec,
): Promise<ResultRecord> {
  const commands = JSON.stringify(spec.executors.map(({ command }) => command));
  const missing = behaviour.missing ?? [];
  const uploaded: UploadedFile[] = [];
  for (const [output, { url }] of behaviour.error ? [] : spec.outputs.entries()) {
    if (missing.includes(output)) continue;
    const content = Buffer.from(behaviour.contents?.[output] ?? commands);
    await objects.put(url, content);
    const etag = createHash('md5').update(content).digest('hex');
    uploaded.push({
      output,
      path: '',
      sizeBytes: content.length,
      crc64nvme: await crcOf(content),
      etag,
    });
  }
  const nowMs = hostTime(behaviour);
  const inputs = await readInputs(objects, spec);
  return {
    ...(inputs && { inputs }),
    startedMs: nowMs - ranMs(behaviour),
    endedMs: nowMs,
    outputs: uploaded,
    missingOutputs: missing,
    executors:
      behaviour.error?.kind === 'input'
        ? []
        : [{ exitCode: behaviour.exitCode ?? 0, startedMs: nowMs, endedMs: nowMs }],
    ...(behaviour.error ? { error: behaviour.error } : {}),
  };
}
