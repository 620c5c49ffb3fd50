/** What a task's script asks the stager to do, one request after another: docs/task-script.md. */
import { appendFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { spellBytes } from '../core/cache/spell.ts';
import { literalStart } from '../core/files/path-pattern.ts';
import { inSubmission } from '../core/files/s3-layout.ts';
import { sealResultBody } from '../core/result/result-body.ts';
import { encodeResultKey } from '../core/result/result-key.ts';
import { boundRecord } from '../core/result/stored-record.ts';
import { ended, endExecutor, prepareExecutor, writeLogs } from './executors.ts';
import { placeIn, takeOrReadFence } from './fence.ts';
import { fetchInputs } from './inputs.ts';
import { makeFolder } from './make-folder.ts';
import { uploadOutputs } from './outputs.ts';
import { lookBefore, openReach } from './reach.ts';
import { openRoom } from './room.ts';
import { blame, persist, reasonOf, transience, transienceOfDisk, writeBytes } from './s3.ts';
import { noticesOf, type Session } from './session.ts';

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
  await persist(() => writeBytes(session.s3, placeIn(session, key), body, 'application/json'));
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
