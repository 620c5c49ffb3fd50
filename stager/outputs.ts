/** The outputs of a task: found on disk, written to their URLs, recorded with size and checksum. */
import { append } from '../core/append.ts';
import { readdir, realpath, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import type { StagerError, UploadedFile } from '../core/result/result.ts';
import { pathOfUrl } from '../core/files/file-url.ts';
import { joinUrl, parseS3Url } from '../core/files/s3-url.ts';
import type { FileType } from '../core/task/task.ts';
import { digestFile, inBase64 } from './digest.ts';
import { hasWildcard, matchPaths } from './glob.ts';
import type { FetchedFile } from './inputs.ts';
import { FinalError, reasonOf, transience } from './s3.ts';
import type { Uploaded, Uploader } from './upload.ts';

export interface DeclaredOutput {
  type: FileType;
  url: string;
  path: string;
  /** Given for wildcards: the prefix to remove from the matches' paths. */
  pathPrefix?: string;
}

interface FoundFile {
  local: string;
  /** As `UploadedFile.path`. */
  path: string;
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

/**
 * The regular files under a folder. Links are followed while they stay in the tree: one that leads
 * out could expose what is not an output (the host's mounts, /proc), and one that leads upwards
 * would never end.
 */
async function filesUnder(root: string): Promise<FoundFile[]> {
  const realRoot = await realpath(root);
  const files: FoundFile[] = [];
  const walk = async (folder: string, path: string, above: readonly string[]): Promise<void> => {
    for (const name of (await readdir(folder)).toSorted()) {
      const local = join(folder, name);
      const facts = await statOf(local);
      if (!facts) continue;
      const real = await realpath(local);
      if (!real.startsWith(`${realRoot === '/' ? '' : realRoot}/`) || above.includes(real))
        continue;
      const below = path === '' ? name : `${path}/${name}`;
      if (facts.isDirectory()) await walk(local, below, [...above, real]);
      else if (facts.isFile()) files.push({ local, path: below });
    }
  };
  await walk(root, '', [realRoot]);
  return files;
}

async function findMatches(
  output: DeclaredOutput,
  pathPrefix: string,
): Promise<FoundFile[] | undefined> {
  const found: FoundFile[] = [];
  let matched = false;
  for (const local of await matchPaths(output.path)) {
    const facts = await stat(local);
    if (output.type === 'DIRECTORY' ? !facts.isDirectory() : !facts.isFile()) continue;
    matched = true;
    if (!local.startsWith(pathPrefix))
      throw new FinalError(
        `${local} matches the pattern but does not begin with path_prefix ${pathPrefix}`,
      );
    const path = local.slice(pathPrefix.length).replace(/^\/+/, '');
    if (output.type === 'FILE') found.push({ local, path });
    else
      append(
        found,
        (await filesUnder(local)).map((file) => ({
          local: file.local,
          path: path === '' ? file.path : `${path}/${file.path}`,
        })),
      );
  }
  return matched ? found : undefined;
}

/** Undefined when the output does not exist. */
async function findFiles(output: DeclaredOutput): Promise<FoundFile[] | undefined> {
  if (output.pathPrefix !== undefined && hasWildcard(output.path))
    return findMatches(output, output.pathPrefix);
  const facts = await statOf(output.path);
  if (!facts) return undefined;
  if (output.type === 'DIRECTORY') {
    if (!facts.isDirectory())
      throw new FinalError(`${output.path} is declared as DIRECTORY but is not one`);
    return filesUnder(output.path);
  }
  if (!facts.isFile())
    throw new FinalError(
      `${output.path} is declared as FILE but is ` +
        (facts.isDirectory() ? 'a directory' : 'not a regular file'),
    );
  return [{ local: output.path, path: '' }];
}

async function uploadOne(
  uploader: Uploader,
  file: FoundFile,
  url: string,
  fetched: readonly FetchedFile[],
): Promise<Uploaded> {
  const source = fetched.find((one) => one.url === url && one.path === file.local);
  if (source) {
    // Cromwell declares its script as an input and as an output of one URL. Only bytes tell that it
    // is still what was fetched: a command can keep a file's time and size.
    const { size } = await stat(file.local);
    const crc64nvme = inBase64(await digestFile(file.local, 'CRC64NVME'));
    if (size === source.sizeBytes && crc64nvme === source.crc64nvme)
      return { sizeBytes: size, crc64nvme, etag: source.etag ?? '' };
  }
  const sharedPath = pathOfUrl(url);
  if (sharedPath !== undefined) return uploader.copyOut(file.local, sharedPath);
  const place = parseS3Url(url);
  if (!place || place.key === '')
    throw new FinalError(
      'an output URL must be s3://bucket/key, or a path in a folder that hosts share with tasks',
    );
  return uploader.upload(file.local, place, 'application/octet-stream');
}

export interface OutputsDone {
  outputs: UploadedFile[];
  missingOutputs: number[];
  error?: StagerError;
}

type OutputOutcome = { files: UploadedFile[] } | 'missing' | { failure: unknown; subject: string };

async function uploadOutput(
  uploader: Uploader,
  output: DeclaredOutput,
  position: number,
  fetched: readonly FetchedFile[],
): Promise<OutputOutcome> {
  let found: FoundFile[] | undefined;
  try {
    found = await findFiles(output);
  } catch (failure) {
    return { failure, subject: output.url };
  }
  if (!found) return 'missing';
  // rc comes last: to whoever watches the folder (Cromwell's config backend), it means that the
  // call has ended.
  const [others, rc] = [
    found.filter(({ path }) => path !== 'rc'),
    found.filter(({ path }) => path === 'rc'),
  ];
  const upload = (files: readonly FoundFile[]) =>
    Promise.allSettled(
      files.map((file) => uploadOne(uploader, file, joinUrl(output.url, file.path), fetched)),
    );
  const ended = [...(await upload(others)), ...(await upload(rc))];
  const sent = [...others, ...rc];
  const files: UploadedFile[] = [];
  for (const [at, one] of ended.entries()) {
    const path = sent[at]?.path ?? '';
    if (one.status === 'rejected')
      return { failure: one.reason, subject: joinUrl(output.url, path) };
    files.push({ output: position, path, ...one.value });
  }
  return { files };
}

/**
 * Writes all outputs. A missing output is reported, but is not an error. The first failure is
 * reported once all have ended.
 */
export async function uploadOutputs(
  uploader: Uploader,
  outputs: readonly DeclaredOutput[],
  fetched: readonly FetchedFile[],
): Promise<OutputsDone> {
  const outcomes = await Promise.all(
    outputs.map((output, position) => uploadOutput(uploader, output, position, fetched)),
  );
  const done: OutputsDone = { outputs: [], missingOutputs: [] };
  for (const [position, outcome] of outcomes.entries()) {
    if (outcome === 'missing') done.missingOutputs.push(position);
    else if ('files' in outcome) append(done.outputs, outcome.files);
    else if (!done.error) {
      const { failure, subject } = outcome;
      done.error = {
        kind: 'output',
        subject,
        message: `Output ${position + 1} of ${outputs.length} ${subject} could not be written: ${reasonOf(failure)}`,
        ...transience(failure),
      };
    }
  }
  return done;
}
