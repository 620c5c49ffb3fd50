/** Inputs from the mount to S3, each once: what is there with the same bytes is left alone. */
import type { MountedInput } from '../../core/files/cromwell-proxy.ts';
import { problemAt, type Problem } from '../../core/problems.ts';
import { allSettled, limitTo } from '../../stager/limit.ts';
import { reasonOf } from '../../stager/s3.ts';
import { isForGood, type Copies } from './copies.ts';
import type { Mount, MountedFile } from './mount.ts';

export interface BroughtUp {
  /** Files that had to be written. */
  files: number;
  bytes: number;
  /** Files that were there already. */
  unchanged: number;
}

export interface BringUp {
  /** All inputs are in S3, or what is wrong with them. Rejects for trouble that may pass: then it may be called again. */
  bring(inputs: readonly MountedInput[]): Promise<BroughtUp | { problems: Problem[] }>;
}

/** Files that are looked at at once: each costs a request and an open file. */
const FILES_AT_ONCE = 16;
const SHOWN_STRANGERS = 3;

export function createBringUp({ copies, mount }: { copies: Copies; mount: Mount }): BringUp {
  const files = limitTo(FILES_AT_ONCE);
  // All calls of a scatter name the same reference, and a POST that Cromwell sends again finds its files under way.
  const underWay = new Map<string, Promise<number>>();

  /** @returns bytes written, or UNCHANGED for a file that was there */
  function bringFile({ realPath, url }: MountedFile): Promise<number> {
    const key = `${realPath}\0${url}`;
    const running = underWay.get(key);
    if (running) return running;
    const started = files(async () => {
      const object = await copies.objects.describe(url);
      return object && (await copies.isSame(realPath, object))
        ? UNCHANGED
        : copies.upload(realPath, url);
    }).finally(() => underWay.delete(key));
    underWay.set(key, started);
    return started;
  }

  /** Objects that a task would find in the folder, and that are not on the mount. */
  async function strangersIn(folderUrl: string, own: ReadonlySet<string>): Promise<string[]> {
    const strangers: string[] = [];
    for await (const page of copies.objects.list(folderUrl)) {
      strangers.push(
        ...page.map(({ url }) => url).filter((url) => url !== folderUrl && !own.has(url)),
      );
      if (strangers.length > SHOWN_STRANGERS) break;
    }
    return strangers;
  }

  async function bringInput(input: MountedInput): Promise<{ sizes: number[] } | { wrong: Problem }> {
    try {
      const found = await mount.find(input);
      if ('wrong' in found) return { wrong: problemAt(input.field, found.wrong) };
      const { folderUrl } = found;
      const sizes = await allSettled(found.files.map(bringFile));
      if (folderUrl === undefined) return { sizes };
      const strangers = await strangersIn(folderUrl, new Set(found.files.map(({ url }) => url)));
      if (strangers.length > 0)
        return {
          wrong: problemAt(
            input.field,
            `a folder that is the same in S3; there it holds ${strangers.slice(0, SHOWN_STRANGERS).join(', ')}, and ${input.path} does not: remove that, or give another folder`,
          ),
        };
      // A key that ends in a slash is how an empty folder is told.
      if (found.files.length === 0)
        await copies.objects.put(folderUrl, new Uint8Array(), { ifAbsent: true });
      return { sizes };
    } catch (error) {
      if (isForGood(error))
        return {
          wrong: problemAt(
            input.field,
            `something that can be brought from ${input.path} to ${input.url}; ${reasonOf(error)}`,
          ),
        };
      throw error;
    }
  }

  return {
    async bring(inputs) {
      const brought = await allSettled(inputs.map(bringInput));
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

const UNCHANGED = -1;
