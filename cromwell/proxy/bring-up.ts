/**
 * Copies inputs from the mount to S3, each one once: a file whose bytes S3 already has is left
 * alone.
 */
import { append } from '../../core/append.ts';
import type { MountedInput } from '../../core/files/cromwell-proxy.ts';
import { problemAt, type Problem } from '../../core/problems.ts';
import { allSettled, limitTo } from '../../stager/limit.ts';
import { reasonOf } from '../../stager/s3.ts';
import { isPermanent, type Copies } from './copies.ts';
import type { Mount, MountedFile } from './mount.ts';

export interface BroughtUp {
  /** Files that had to be written. */
  files: number;
  bytes: number;
  /** Files that were there already. */
  unchanged: number;
}

export interface BringUp {
  /**
   * Puts all inputs into S3, or returns what is wrong with them. Rejects on a transient error; then
   * it may be called again.
   */
  bring(inputs: readonly MountedInput[]): Promise<BroughtUp | { problems: Problem[] }>;
}

/** Files that are compared or uploaded at the same time: each costs a request and an open file. */
const FILES_AT_ONCE = 16;
const SHOWN_STRANGERS = 3;
const UNCHANGED = -1;

interface Uploads {
  copies: Copies;
  mount: Mount;
  limited: ReturnType<typeof limitTo>;
  /**
   * Sizes of the files in progress. All calls of a scatter name the same reference, and a POST that
   * Cromwell repeats finds its files here.
   */
  inProgress: Map<string, Promise<number>>;
}

export function createBringUp({ copies, mount }: { copies: Copies; mount: Mount }): BringUp {
  const uploads: Uploads = {
    copies,
    mount,
    limited: limitTo(FILES_AT_ONCE),
    inProgress: new Map(),
  };
  return {
    async bring(inputs) {
      const brought = await allSettled(inputs.map((input) => bringInput(uploads, input)));
      const problems = brought.flatMap((one) => ('wrong' in one ? [one.wrong] : []));
      if (problems.length > 0) return { problems };
      const sizes = brought.flatMap((one) => ('sizes' in one ? one.sizes : []));
      const written = sizes.filter((size) => size !== UNCHANGED);
      return {
        files: written.length,
        bytes: written.reduce((sum, size) => sum + size, 0),
        unchanged: sizes.length - written.length,
      };
    },
  };
}

type BroughtInput = { sizes: number[] } | { wrong: Problem };

async function bringInput(uploads: Uploads, input: MountedInput): Promise<BroughtInput> {
  const wrong = (expected: string): BroughtInput => ({ wrong: problemAt(input.field, expected) });
  try {
    const found = await uploads.mount.find(input);
    if ('wrong' in found) return wrong(found.wrong);
    const sizes = await allSettled(found.files.map((file) => bringFile(uploads, file)));
    if (found.folderUrl === undefined) return { sizes };
    const strangers = await findStrangers(uploads, found.folderUrl, found.files);
    if (strangers.length > 0)
      return wrong(
        'a folder with the same content in S3; ' +
          `S3 also has ${strangers.slice(0, SHOWN_STRANGERS).join(', ')}, which ${input.path} does not have. ` +
          'Delete these objects, or use another folder',
      );
    // A key that ends in a slash represents an empty folder.
    if (found.files.length === 0)
      await uploads.copies.objects.put(found.folderUrl, new Uint8Array(), { ifAbsent: true });
    return { sizes };
  } catch (error) {
    if (!isPermanent(error)) throw error;
    return wrong(
      `an input that can be copied from ${input.path} to ${input.url}; ${reasonOf(error)}`,
    );
  }
}

/** @returns bytes written, or UNCHANGED for a file that was there */
function bringFile(uploads: Uploads, { realPath, url }: MountedFile): Promise<number> {
  const { copies, limited, inProgress } = uploads;
  const key = `${realPath}\0${url}`;
  const running = inProgress.get(key);
  if (running) return running;
  const started = limited(async () => {
    const object = await copies.objects.describe(url);
    return object && (await copies.isSame(realPath, object))
      ? UNCHANGED
      : copies.upload(realPath, url);
  }).finally(() => inProgress.delete(key));
  inProgress.set(key, started);
  return started;
}

/** Objects that a task would find in the folder and that are not on the mount. */
async function findStrangers(
  { copies }: Uploads,
  folderUrl: string,
  files: readonly MountedFile[],
): Promise<string[]> {
  const own = new Set(files.map(({ url }) => url));
  const strangers: string[] = [];
  for await (const page of copies.objects.list(folderUrl)) {
    append(
      strangers,
      page.map(({ url }) => url).filter((url) => url !== folderUrl && !own.has(url)),
    );
    if (strangers.length > SHOWN_STRANGERS) break;
  }
  return strangers;
}
