/** The outputs of a task: found on disk, written to their URLs, recorded with size and checksum. */
import { append } from '../core/append.ts';
import { stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import type { StagerError, UploadedFile } from '../core/result/result.ts';
import type { FileType } from '../core/task/task.ts';
import { digestFile, inBase64 } from './digest.ts';
import { sayLeftOut } from '../core/result/left-out.ts';
import { matchPaths } from './glob.ts';
import type { FetchedFile } from './fetched.ts';
import { planWrites } from './plan-writes.ts';
import type { PlannedFile, Written } from './plan-writes.ts';
import type { Reach } from './reach.ts';
import { blame, DeclaredError, FinalError, reasonOf, transience } from './s3.ts';
import type { Uploaded, Uploader } from './upload.ts';
import { kindOf, leaveOut, nothingFound, walkFolder } from './walk.ts';
import type { Found, FoundFile } from './walk.ts';

export interface DeclaredOutput {
  type: FileType;
  url: string;
  path: string;
  /** Given when `path` is a pattern: the prefix to remove from the matches' paths. */
  pathPrefix?: string;
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP')
    )
      return undefined;
    throw error;
  }
}

/** What a task's outputs are looked for in. */
export interface Search {
  fetched: readonly FetchedFile[];
  reach: Reach;
}

/** Of one output; undefined when it does not exist. */
async function findMatches(
  output: DeclaredOutput,
  pathPrefix: string,
  reach: Reach,
): Promise<Found | undefined> {
  const found = nothingFound();
  let matched = false;
  const { paths, leftOut } = await matchPaths(output.path);
  for (const one of leftOut) leaveOut(found, one);
  for (const local of paths) {
    const facts = await statOf(local);
    const why = whyNoMatch(facts);
    if (why !== undefined) leaveOut(found, { path: local, why });
    if (output.type === 'DIRECTORY' ? !facts?.isDirectory() : !facts?.isFile()) continue;
    matched = true;
    if (!local.startsWith(pathPrefix))
      throw new FinalError(
        `${local} matches the pattern but does not begin with path_prefix ${pathPrefix}`,
      );
    const path = local.slice(pathPrefix.length).replace(/^\/+/, '');
    if (output.type === 'FILE') found.files.push({ local, path });
    else {
      const below = { ...found, files: [] as FoundFile[] };
      await walkFolder(local, reach, below);
      found.leftOutCount = below.leftOutCount;
      append(
        found.files,
        below.files.map((file) => ({
          ...file,
          path: path === '' ? file.path : within(path, file),
        })),
      );
    }
  }
  return matched || found.leftOutCount > 0 ? found : undefined;
}

const within = (folder: string, { path }: FoundFile): string =>
  path === '/' ? `${folder}/` : `${folder}/${path}`;

/** Files and folders are chosen by the type of the output; everything else can never be one. */
function whyNoMatch(facts: Stats | undefined): string | undefined {
  if (!facts) return 'a link that leads to no file';
  return facts.isDirectory() || facts.isFile() ? undefined : kindOf(facts);
}

/** A client may have declared a FILE, and the slash alone made it a DIRECTORY. */
const whyNoDirectory = ({ path, url }: DeclaredOutput): string =>
  url.endsWith('/')
    ? `${path} is a file, but its URL ends in '/', which declares a DIRECTORY`
    : `${path} is declared as DIRECTORY but is not one`;

/** Undefined when the output does not exist. */
async function findFiles(output: DeclaredOutput, reach: Reach): Promise<Found | undefined> {
  if (output.pathPrefix !== undefined) return findMatches(output, output.pathPrefix, reach);
  const facts = await statOf(output.path);
  if (!facts) return undefined;
  const found = nothingFound();
  if (output.type === 'DIRECTORY') {
    if (!facts.isDirectory()) throw new DeclaredError(whyNoDirectory(output));
    await walkFolder(output.path, reach, found);
    return found;
  }
  if (!facts.isFile())
    throw new DeclaredError(
      `${output.path} is declared as FILE but is ` +
        (facts.isDirectory() ? 'a directory' : 'not a regular file'),
    );
  found.files.push({ local: output.path, path: '' });
  return found;
}

async function uploadOne(
  uploader: Uploader,
  { local, place, url, isFolder }: PlannedFile,
  fetched: readonly FetchedFile[],
): Promise<Uploaded> {
  if (isFolder)
    return 'sharedPath' in place
      ? uploader.shared.makeFolder(place.sharedPath)
      : uploader.markFolder(place);
  const source = fetched.find((one) => one.url === url && one.path === local);
  if (source) {
    // Cromwell declares its script as an input and as an output of one URL. Only bytes tell that it
    // is still what was fetched: a command can keep a file's time and size.
    const { size } = await stat(local);
    const crc64nvme = inBase64(await digestFile(local, 'CRC64NVME'));
    if (size === source.sizeBytes && crc64nvme === source.crc64nvme)
      return { sizeBytes: size, crc64nvme, etag: source.etag ?? '' };
  }
  return 'sharedPath' in place
    ? uploader.shared.copyOut(local, place.sharedPath)
    : uploader.upload(local, place, 'application/octet-stream');
}

export interface OutputsDone {
  outputs: UploadedFile[];
  missingOutputs: number[];
  leftOut?: string[];
  error?: StagerError;
}

interface Failed {
  failure: unknown;
  subject: string;
}

type OutputOutcome = { files: UploadedFile[] } | Failed;

/** Each object is written once, also when two outputs name one file for one URL. */
type WriteOnce = (file: PlannedFile) => Promise<Uploaded>;

function writeOnce(uploader: Uploader, fetched: readonly FetchedFile[]): WriteOnce {
  const written = new Map<string, Promise<Uploaded>>();
  return (file) => {
    const uploaded = written.get(file.url) ?? uploadOne(uploader, file, fetched);
    written.set(file.url, uploaded);
    return uploaded;
  };
}

async function uploadOutput(
  write: WriteOnce,
  files: readonly PlannedFile[],
  position: number,
): Promise<OutputOutcome> {
  // rc comes last: to whoever watches the folder (Cromwell's config backend), it means that the
  // call has ended.
  const [others, rc] = [
    files.filter(({ path }) => path !== 'rc'),
    files.filter(({ path }) => path === 'rc'),
  ];
  const upload = (some: readonly PlannedFile[]) => Promise.allSettled(some.map(write));
  const ended = [...(await upload(others)), ...(await upload(rc))];
  const sent = [...others, ...rc];
  const uploaded: UploadedFile[] = [];
  for (const [at, one] of ended.entries()) {
    const file = sent[at];
    if (!file) continue;
    if (one.status === 'rejected') return { failure: one.reason, subject: file.url };
    uploaded.push({ output: position, path: file.path, ...one.value });
  }
  return { files: uploaded };
}

const findAll = (
  outputs: readonly DeclaredOutput[],
  reach: Reach,
): Promise<(Found | undefined | Failed)[]> =>
  Promise.all(
    outputs.map((output) =>
      findFiles(output, reach).catch((failure: unknown) => ({ failure, subject: output.url })),
    ),
  );

/**
 * Writes all outputs. A missing output, and what cannot be an object, is reported, but is not an error. The first
 * failure is reported once all have ended.
 */
export async function uploadOutputs(
  uploader: Uploader,
  outputs: readonly DeclaredOutput[],
  { fetched, reach }: Search,
): Promise<OutputsDone> {
  const found = await findAll(outputs, reach);
  const write = writeOnce(uploader, fetched);
  const planned = await planWrites(
    outputs,
    found.map((one) => (one && 'files' in one ? one.files : [])),
    uploader.shared,
  );
  const outcomes = await Promise.all(
    planned.map((plan: Written, position): OutputOutcome | Promise<OutputOutcome> => {
      const one = found[position];
      if (one && 'failure' in one) return one;
      return 'failure' in plan ? plan : uploadOutput(write, plan.files, position);
    }),
  );
  const done: OutputsDone = { outputs: [], missingOutputs: [] };
  for (const [position, outcome] of outcomes.entries()) {
    if (!found[position]) done.missingOutputs.push(position);
    if ('files' in outcome) append(done.outputs, outcome.files);
    else done.error ??= failureOf(outcome, position, outputs.length);
  }
  const leftOut = outputs.flatMap(({ path }, position) => sayOf(path, found[position]));
  return leftOut.length === 0 ? done : { ...done, leftOut };
}

const sayOf = (path: string, found: Found | Failed | undefined): string[] =>
  found && 'files' in found && found.leftOutCount > 0
    ? [sayLeftOut(path, found.leftOut, found.leftOutCount)]
    : [];

const failureOf = ({ failure, subject }: Failed, position: number, count: number): StagerError => ({
  kind: 'output',
  subject,
  message: `Output ${position + 1} of ${count} ${subject} could not be written: ${reasonOf(failure)}`,
  ...transience(failure),
  ...blame(failure),
});
