/**
 * One attempt at a task: what its script requested, the results so far, and what is written to S3.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { access, appendFile, constants, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from './make-folder.ts';
import { sealResultBody } from '../core/result/result-body.ts';
import { spellBytes } from '../core/cache/spell.ts';
import { encodeResultKey } from '../core/result/result-key.ts';
import type { ExecutorResult, ResultRecord, StagerError } from '../core/result/result.ts';
import { boundRecord } from '../core/result/stored-record.ts';
import { inSubmission } from '../core/files/s3-layout.ts';
import { literalStart } from '../core/files/path-pattern.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import type { Descendants } from './descendants.ts';
import { takeOrReadFence, type OwnSubmission } from './fence.ts';
import type { DeclaredInput, FetchedFile } from './inputs.ts';
import { fetchInputs } from './inputs.ts';
import { endDescendants } from './left-behind.ts';
import { openLiveLogs } from './live-logs.ts';
import type { LiveLogs, LiveStream } from './live-logs.ts';
import type { Log } from './log.ts';
import type { DeclaredOutput } from './outputs.ts';
import { uploadOutputs } from './outputs.ts';
import { lookBefore, openReach } from './reach.ts';
import type { Before } from './reach.ts';
import { openRoom } from './room.ts';
import { blame, persist, reasonOf, transience, transienceOfDisk, writeBytes } from './s3.ts';
import type { UsageMeter } from './usage.ts';
import { hasText, openStream } from './streams.ts';
import type { Stream } from './streams.ts';
import type { Uploader } from './upload.ts';

export interface Identity extends OwnSubmission {
  batchJobId: string;
  /** Array index, from 0; 0 for a single job. */
  index: number;
  /** From 1. */
  attempt: number;
}

interface StartedExecutor {
  startedMs: number;
  stdout: Stream;
  stderr: Stream;
  ended?: ExecutorResult;
}

interface SessionMeans {
  s3: S3Client;
  uploader: Uploader;
  log: Log;
  startedMs: number;
  descendants: Descendants;
  usage: UsageMeter;
  /** What the record says beside what its outputs say. */
  warnings: string[];
}

export interface Session extends Identity, SessionMeans {
  /**
   * Folder of the logs of executors that name no path of their own; '' until the script is written.
   */
  logs: string;
  diskWaitMs: number;
  inputs: DeclaredInput[];
  outputs: DeclaredOutput[];
  fetched: FetchedFile[];
  /** Volumes, working directories, and folders that the stager made: links to them are followed. */
  given: string[];
  before?: Before;
  /** Those that were started, in order. */
  executors: StartedExecutor[];
  record: Pick<ResultRecord, 'outputs' | 'missingOutputs' | 'inputs' | 'warnings'>;
  error?: StagerError;
  live: LiveLogs;
  /** Once it is set, nothing more is written. */
  closed?: 'fenced' | 'terminated' | 'recorded';
}

interface SessionTimes {
  /** The longest pause between two looks at what executors print; 0 turns live logs off. */
  liveLogsMs: number;
  /** The longest time an input waits for room on the disk. */
  diskWaitMs: number;
}

export function openSession(
  identity: Identity,
  parts: SessionMeans,
  { liveLogsMs, diskWaitMs }: SessionTimes,
): Session {
  const executors: Session['executors'] = [];
  const live = openLiveLogs({
    s3: parts.s3,
    log: parts.log,
    attempt: identity.attempt,
    longestMs: liveLogsMs,
    place: (name) => within(identity, inSubmission.live(identity.index, name)),
    streams: () => (executors.length > 0 ? streamsOf(executors) : noticesOf(session)),
  });
  const session: Session = {
    ...identity,
    ...parts,
    diskWaitMs,
    logs: '',
    inputs: [],
    outputs: [],
    fetched: [],
    given: [],
    executors,
    record: { outputs: [], missingOutputs: [] },
    live,
  };
  return session;
}

const within = ({ submission }: Identity, name: string): S3Place => ({
  bucket: submission.bucket,
  key: submission.key + name,
});

const streamsOf = (executors: Session['executors']): LiveStream[] =>
  executors.flatMap(({ stdout, stderr }, position) => [
    { name: `${position}.stdout`, ...stdout },
    { name: `${position}.stderr`, ...stderr },
  ]);

/** What is told before an executor prints anything; the stderr of the first one replaces it. */
const noticesOf = ({ logs }: Session): LiveStream[] =>
  logs === '' ? [] : [{ name: '0.stderr', path: join(logs, 'notices') }];

/** Tells those who follow the log of a task why nothing happens. */
function tellWait(
  session: Session,
  { path, neededBytes, freeBytes }: { path: string; neededBytes: number; freeBytes: number },
): void {
  session.log('waits_for_room', { path, neededBytes, freeBytes });
  const notice =
    `Batchwell: ${path} waits for room on the disk of its host: it needs ` +
    `${spellBytes(neededBytes)}, and ${spellBytes(freeBytes)} are free.\n`;
  const told = noticesOf(session).map((stream) => appendFile(stream.path, notice));
  // The disk is full: then only the stager's own log has it.
  void Promise.all(told).then(
    () => session.live.lookSoon(),
    () => undefined,
  );
}

/**
 * Makes the folders for the executor's streams and workdir, so that the reason is never a terse
 * message of the shell.
 */
async function prepareExecutor(
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

async function endExecutor(session: Session, position: number, exitCode: number): Promise<void> {
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

const ended = (session: Session): ExecutorResult[] =>
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
    within(session, inSubmission.log(session.index, session.attempt, name));
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

async function fetchAll(session: Session): Promise<boolean> {
  const startedMs = Date.now();
  const room = openRoom({
    waitMs: session.diskWaitMs,
    onWait: (wait) => tellWait(session, wait),
  });
  const outcome = await fetchInputs(session.s3, session.inputs, room, session.uploader.shared);
  if ('error' in outcome) {
    session.error = outcome.error;
    return false;
  }
  session.fetched = outcome.fetched;
  session.record.inputs = outcome.inputs;
  session.log('inputs_fetched', {
    inputs: session.inputs.length,
    durationMs: Date.now() - startedMs,
  });
  return true;
}

async function uploadAll(session: Session): Promise<boolean> {
  const startedMs = Date.now();
  try {
    // The task may have run for hours. Only the owner of the submission may still write its
    // outputs.
    const fence = await takeOrReadFence(session.s3, session, session.batchJobId);
    if (!fence.mine) {
      session.closed = 'fenced';
      session.log('task_fenced', { owner: fence.owner });
      return false;
    }
  } catch (error) {
    session.error = {
      kind: 'output',
      subject: inSubmission.owner,
      message: `No output was written, because the owner of the submission could not be read: ${reasonOf(error)}`,
      ...transience(error),
    };
    return false;
  }
  const { inputs, given, fetched, before } = session;
  const reach = await openReach({
    given: [...given, ...inputs.map(({ path }) => path), ...session.uploader.shared.roots],
    own: dirname(session.logs),
    before,
  });
  const search = { fetched, reach };
  const { error, ...record } = await uploadOutputs(session.uploader, session.outputs, search);
  session.record = { ...session.record, ...record };
  if (error) session.error = error;
  else
    session.log('outputs_written', {
      files: record.outputs.length,
      missing: record.missingOutputs.length,
      durationMs: Date.now() - startedMs,
    });
  return !error;
}

/**
 * The last action. Does nothing when the attempt was fenced or terminated, or already has its
 * record.
 */
export async function writeResult(session: Session): Promise<void> {
  session.live.stop();
  if (session.closed) return;
  session.closed = 'recorded';
  const warnings = [...session.warnings, ...(session.record.warnings ?? [])];
  const record = boundRecord({
    startedMs: session.startedMs,
    endedMs: Date.now(),
    executors: ended(session),
    ...session.record,
    ...(warnings.length > 0 && { warnings }),
    ...(session.error && { error: session.error }),
  });
  const key = inSubmission.results + encodeResultKey(session, record);
  const body = sealResultBody(session, record);
  await persist(() => writeBytes(session.s3, within(session, key), body, 'application/json'));
}

async function requestFolder(session: Session, path: string): Promise<boolean> {
  try {
    const made = await makeFolder(path);
    if (made !== undefined) session.given.push(made);
    return true;
  } catch (error) {
    session.error = {
      kind: 'script',
      subject: path,
      message: `The folder ${path} could not be created: ${reasonOf(error)}`,
      ...blame(error),
      ...transienceOfDisk(error),
    };
    return false;
  }
}

/** Makes the folder of an output; for a pattern, the folder above its first wildcard. */
async function makePlace(
  session: Session,
  [path = '', type, pathPrefix]: string[],
): Promise<boolean> {
  // Only a folder can hold links.
  if (type === 'DIRECTORY') session.before ??= await lookBefore();
  const start = pathPrefix === undefined ? path : literalStart(path);
  return requestFolder(session, dirname(start.endsWith('/') ? `${start}x` : start));
}

type Request = (session: Session, words: string[]) => boolean | Promise<boolean>;

/** The requests of a script, as described in docs/task-script.md. */
const requests: Record<string, Request> = {
  folder: (session, [path = '']) => {
    session.given.push(path);
    return requestFolder(session, path);
  },
  place: makePlace,
  input: (session, [type, url = '', path = '', name = '']) =>
    session.inputs.push({ kind: type === 'DIRECTORY' ? 'folder' : 'file', url, path, name }) > 0,
  content: (session, [content = '', path = '', name = '']) =>
    session.inputs.push({ kind: 'content', content, path, name }) > 0,
  fetch: fetchAll,
  executor: prepareExecutor,
  ended: (session, [position, exitCode]) =>
    endExecutor(session, Number(position), Number(exitCode)).then(() => true),
  logs: (session) => writeLogs(session).then(() => true),
  output: (session, [type, url = '', path = '', pathPrefix]) =>
    session.outputs.push({
      type: type === 'DIRECTORY' ? 'DIRECTORY' : 'FILE',
      url,
      path,
      ...(pathPrefix !== undefined && { pathPrefix }),
    }) > 0,
  upload: uploadAll,
  result: (session) => writeResult(session).then(() => true),
};

/**
 * Answers one request of the script. False also for unknown requests, and for all once the attempt
 * is closed.
 */
export async function answer(session: Session, [verb = '', ...words]: string[]): Promise<boolean> {
  const request = requests[verb];
  // The command's exit code after SIGTERM is still recorded.
  if (!request || (session.closed && verb !== 'ended')) return false;
  try {
    return await request(session, words);
  } catch (error) {
    session.log('stager_failed', { request: verb, reason: reasonOf(error) });
    session.error ??= {
      kind: 'script',
      subject: verb,
      message: `The script's request ${JSON.stringify(verb)} failed: ${reasonOf(error)}`,
      ...transienceOfDisk(error),
    };
    return false;
  }
}

/**
 * Writes the script and creates the logs' folder, both private to this attempt.
 * @returns the script's path
 */
export async function layOut(session: Session, scratch: string, text: string): Promise<string> {
  session.logs = join(scratch, 'logs');
  await mkdir(session.logs, { mode: 0o700 });
  const script = join(scratch, 'script.sh');
  await writeFile(script, text, { mode: 0o600 });
  return script;
}
