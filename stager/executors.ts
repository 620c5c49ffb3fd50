/** The executors of a task: prepared before each, noted after each, and what they printed is written to S3. */
import { access, constants } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inSubmission } from '../core/files/s3-layout.ts';
import type { ExecutorResult } from '../core/result/result.ts';
import { placeIn } from './fence.ts';
import { endDescendants } from './left-behind.ts';
import { makeFolder } from './make-folder.ts';
import { persist, reasonOf, transienceOfDisk, writeBytes } from './s3.ts';
import { streamsOf, type Session } from './session.ts';
import { hasText, openStream } from './streams.ts';

/**
 * Makes the folders for the executor's streams and workdir, so that the reason is never a terse
 * message of the shell.
 */
export async function prepareExecutor(
  session: Session,
  [position = '', ...paths]: string[],
): Promise<boolean> {
  const [workdir = '', stdin = '', stdout = '', stderr = ''] = paths;
  if (workdir !== '') session.given.push(workdir);
  const folders = [workdir, ...[stdout, stderr].filter((path) => path !== '').map(dirname)].filter(
    (folder) => folder !== '',
  );
  try {
    for (const folder of folders) await makeFolder(folder);
    if (stdin !== '') await access(stdin, constants.R_OK);
  } catch (error) {
    session.error = {
      kind: 'script',
      subject: `executor ${position}`,
      message: `Executor ${position} could not be started: ${reasonOf(error)}`,
      ...transienceOfDisk(error),
    };
    return false;
  }
  const stream = (named: string, name: string) =>
    openStream(named, join(session.logs, `${position}.${name}`));
  session.usage.start();
  session.executors[Number(position)] = {
    startedMs: Date.now(),
    stdout: await stream(stdout, 'stdout'),
    stderr: await stream(stderr, 'stderr'),
  };
  session.live.lookSoon();
  return true;
}

export async function endExecutor(
  session: Session,
  position: number,
  exitCode: number,
): Promise<void> {
  const executor = session.executors[position];
  if (!executor) return;
  const usage = session.usage.end();
  executor.ended = {
    exitCode,
    startedMs: executor.startedMs,
    endedMs: Date.now(),
    ...(usage && { usage }),
  };
  session.log('executor_ended', {
    executor: position,
    exitCode,
    durationMs: Date.now() - executor.startedMs,
  });
  // SIGTERM ends them too.
  if (!session.closed) await endDescendants(session, position);
}

export const ended = (session: Session): ExecutorResult[] =>
  session.executors.flatMap((executor) => executor.ended ?? []);

const TEXT = 'text/plain; charset=utf-8';

/**
 * Writes rc, stdout and stderr of all executors so far. A log that cannot be written is reported
 * and stops nothing.
 */
export async function writeLogs(session: Session): Promise<void> {
  // From here on, uploads of live logs must not delay what has to be in S3.
  session.live.stop();
  const place = (name: string) =>
    placeIn(session, inSubmission.log(session.index, session.attempt, name));
  const put = async (name: string, work: Promise<unknown>) => {
    await work.catch((error: unknown) => {
      session.log('log_not_written', { name, reason: reasonOf(error) });
      session.warnings.push(`The log ${name} could not be written to S3: ${reasonOf(error)}`);
    });
  };
  const codes = JSON.stringify(ended(session).map((one) => one.exitCode));
  await Promise.all([
    put(
      'rc',
      persist(() => writeBytes(session.s3, place('rc'), codes, 'application/json')),
    ),
    ...streamsOf(session.executors).map(async ({ name, path, file }) => {
      if (await hasText({ path, file }))
        await put(name, session.uploader.upload(file ? { path, file } : path, place(name), TEXT));
    }),
  ]);
}
