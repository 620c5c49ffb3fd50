/** One whole attempt, from the environment that Batch sets to the container's exit code. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  DISK_WAIT_VARIABLE,
  LIVE_LOGS_VARIABLE,
  SCRATCH_VARIABLE,
  stagerExit,
} from '../core/container/container.ts';
import { inSubmission, SUBMISSION_VARIABLE } from '../core/files/s3-layout.ts';
import { formatS3Url, parseS3Url } from '../core/files/s3-url.ts';
import { SECRET_BYTES, SECRET_VARIABLE } from '../core/submission/proof.ts';
import { openDescendants } from './descendants.ts';
import { hasRecord, takeOrReadFence } from './fence.ts';
import type { Log } from './log.ts';
import { ForgedError, readTaskText } from './part.ts';
import { openS3, reasonOf, transience } from './s3.ts';
import { writeLogs } from './executors.ts';
import { answer, writeResult } from './requests.ts';
import { layOut, openSession } from './session.ts';
import type { Identity, Session } from './session.ts';
import { openSharedFolders } from './shared-folders.ts';
import { runShell } from './shell.ts';
import type { RunningShell } from './shell.ts';
import { tellStart } from './start.ts';
import { openUsage } from './usage.ts';
import { createUploader } from './upload.ts';

/** How long a task may take to end after SIGTERM; the container is killed 30 s after the signal. */
const GRACE_MS = 5_000;
const LAST_LOGS_MS = 10_000;

/** @throws Error naming the variable that is missing or wrong */
function readIdentity(env: NodeJS.ProcessEnv): Identity {
  const place = parseS3Url(env[SUBMISSION_VARIABLE] ?? '');
  if (!place)
    throw new Error(
      `${SUBMISSION_VARIABLE} is ${JSON.stringify(env[SUBMISSION_VARIABLE])}; ` +
        'expected s3://bucket/…/submissions/<installation>/<owner>/<key>/.',
    );
  const secret = Buffer.from(env[SECRET_VARIABLE] ?? '', 'base64url');
  if (secret.length !== SECRET_BYTES)
    throw new Error(`${SECRET_VARIABLE} is not set to ${SECRET_BYTES} bytes in base64url.`);
  const batchJobId = env['AWS_BATCH_JOB_ID'];
  if (!batchJobId)
    throw new Error(
      'AWS_BATCH_JOB_ID is not set. The stager must run as the command of an AWS Batch job.',
    );
  return {
    submission: {
      bucket: place.bucket,
      key: place.key.endsWith('/') ? place.key : `${place.key}/`,
    },
    secret,
    batchJobId,
    index: readCount(env, 'AWS_BATCH_JOB_ARRAY_INDEX', 0, 0),
    attempt: readCount(env, 'AWS_BATCH_JOB_ATTEMPT', 1, 1),
  };
}

function readCount(env: NodeJS.ProcessEnv, name: string, otherwise: number, least: number): number {
  const value = Number(env[name] ?? otherwise);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(
      `${name} is ${JSON.stringify(env[name])}; expected a whole number of at least ${least}.`,
    );
  return value;
}

/**
 * Folders that no task is told of. Tasks empty /tmp, so it comes last: a user other than root may be
 * able to write nowhere else.
 */
const SCRATCH_PARENTS = ['/', '/var', '/run', '/var/tmp', '/tmp'];

/** The folder of the script and of logs, whose name no task is told. An image may have no /tmp. */
async function makeScratch(env: NodeJS.ProcessEnv): Promise<string> {
  const own = env[SCRATCH_VARIABLE];
  const parents = own === undefined ? SCRATCH_PARENTS : [own];
  for (const [position, parent] of parents.entries())
    try {
      await mkdir(parent, { recursive: true });
      return await mkdtemp(join(parent, '.batchwell-'));
    } catch (error) {
      if (position === parents.length - 1) throw error;
    }
  throw new Error('no folder for the script and the logs');
}

function findShell(): string {
  const own = join(dirname(process.argv[1] ?? ''), 'bin', 'sh');
  return existsSync(own) ? own : '/bin/sh';
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => void setTimeout(resolve, ms).unref());

/** On SIGTERM: passes it to the task, then saves its logs. No result record is written. */
async function stop(session: Session, shell: RunningShell): Promise<number> {
  // A record that was already written stays valid.
  if (session.closed !== 'recorded') session.closed = 'terminated';
  session.live.stop();
  // Only a running command has something to save. A shell that waits for files would go on waiting.
  const name = session.executors.some((executor) => !executor.ended) ? 'SIGTERM' : 'SIGKILL';
  session.descendants.signal(name);
  shell.signal(name);
  const ended = shell.ended.catch(() => 0);
  const code = await Promise.race([ended, pause(GRACE_MS)]);
  if (code === undefined) {
    shell.signal('SIGKILL');
    await ended;
  }
  await session.descendants.end('at once');
  for (const executor of session.executors)
    executor.ended ??= {
      exitCode: code === undefined ? 137 : stagerExit.terminated,
      startedMs: executor.startedMs,
      endedMs: Date.now(),
    };
  await Promise.race([
    Promise.all([writeLogs(session), session.uploader.abandon()]),
    pause(LAST_LOGS_MS),
  ]);
  session.log('task_terminated');
  return stagerExit.terminated;
}

/** Runs the script to its end. A shell that ends without a result record is a failure. */
async function runScript(
  session: Session,
  script: string,
  env: NodeJS.ProcessEnv,
  terminated: Promise<void>,
): Promise<number> {
  let opened = false;
  const shellEnv = { ...env, ...session.descendants.environment };
  const shell = runShell(findShell(), script, session.logs, shellEnv, async (words) => {
    // A shell that asks has opened its script, which the task need not find.
    if (!opened) await rm(script, { force: true }).catch(() => undefined);
    opened = true;
    return answer(session, words);
  });
  session.descendants.spare(shell.pid);
  const outcome = await Promise.race([
    shell.ended,
    terminated.then(() => 'terminated' as const),
  ]).catch((error: unknown) => ({ error }));
  if (outcome === 'terminated') return stop(session, shell);
  // Without a container that ends with the stager, the task's background processes would outlive
  // it.
  shell.signal('SIGKILL');
  await session.descendants.end('at once');
  session.descendants.close();
  session.usage.close();
  if (session.closed === 'fenced') return stagerExit.fenced;
  if (session.closed === 'recorded' && typeof outcome === 'number') return outcome;
  session.error ??= {
    kind: 'script',
    subject: 'shell',
    message:
      typeof outcome === 'number'
        ? `The task's shell ended with exit code ${outcome} before the script was finished.`
        : `The task's shell ${findShell()} could not be started: ${reasonOf(outcome.error)}`,
  };
  await writeLogs(session);
  await writeResult(session);
  return stagerExit.script;
}

async function runOwned(
  session: Session,
  text: Promise<string>,
  env: NodeJS.ProcessEnv,
  terminated: Promise<void>,
): Promise<number> {
  let scratch: string | undefined;
  try {
    let script: string;
    try {
      scratch = await makeScratch(env);
      script = await layOut(session, scratch, await text);
    } catch (error) {
      const subject = formatS3Url({
        bucket: session.submission.bucket,
        key: session.submission.key + inSubmission.manifest,
      });
      session.error = {
        kind: error instanceof ForgedError ? 'forged' : 'script',
        subject,
        message: `The task's script could not be prepared from ${subject}: ${reasonOf(error)}`,
        // The next attempt has a manifest of its own.
        ...(error instanceof ForgedError ? { transient: true } : transience(error)),
      };
      await writeResult(session);
      return stagerExit.script;
    }
    const { [SECRET_VARIABLE]: _secret, [SCRATCH_VARIABLE]: _scratch, ...taskEnv } = env;
    return await runScript(session, script, taskEnv, terminated);
  } finally {
    if (scratch !== undefined)
      await rm(scratch, { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * @param terminated resolves when the container is asked to stop
 * @returns the container's exit code; never throws
 */
export async function runTask(
  env: NodeJS.ProcessEnv,
  log: Log,
  terminated: Promise<void>,
): Promise<number> {
  const startedMs = Date.now();
  try {
    const identity = readIdentity(env);
    const liveLogsMs = readCount(env, LIVE_LOGS_VARIABLE, 0, 0);
    const diskWaitMs = readCount(env, DISK_WAIT_VARIABLE, 0, 0);
    const s3 = openS3(env);
    const text = readTaskText(s3, identity, identity.index);
    // Read at the same time as the fence. runOwned handles a failure.
    text.catch(() => undefined);
    const fence = await takeOrReadFence(s3, identity, identity.batchJobId);
    if (!fence.mine) {
      log('task_fenced', { owner: fence.owner });
      return stagerExit.fenced;
    }
    if (identity.attempt > 1 && (await hasRecord(s3, identity, identity.index))) {
      log('task_recorded_before', { attempt: identity.attempt });
      return 0;
    }
    tellStart(s3, identity, log, startedMs);
    log('task_started', {
      submission: formatS3Url(identity.submission),
      index: identity.index,
      attempt: identity.attempt,
    });
    const shared = openSharedFolders(env);
    const warnings: string[] = [];
    const uploader = createUploader(s3, { shared, warn: (text) => void warnings.push(text) });
    const descendants = openDescendants(env);
    const usage = openUsage({ env, ...descendants });
    const session = openSession(
      identity,
      { s3, uploader, log, startedMs, warnings, descendants, usage },
      { liveLogsMs, diskWaitMs },
    );
    const code = await runOwned(session, text, env, terminated);
    log('task_ended', {
      exitCode: code,
      durationMs: Date.now() - startedMs,
      ...(session.error && { reason: session.error.message }),
    });
    return code;
  } catch (error) {
    log('stager_failed', { reason: reasonOf(error) });
    return stagerExit.script;
  }
}
