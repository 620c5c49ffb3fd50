/**
 * What the inputs of tasks hold, without reading them: their identities (core/cache/identity.ts), by
 * listing where inputs lie together, from the memo of what was read or written before, and by HEAD
 * where neither tells.
 */
import { Crc64Nvme } from '@aws-sdk/checksums/crc';
import { createHash } from 'node:crypto';
import { crcIdentity, etagIdentity } from '../core/cache/identity.ts';
import { parseS3Url } from '../core/files/s3-url.ts';
import { sha256 } from '../core/ids.ts';
import type { InputOf } from '../core/task/task.ts';
import {
  describeOrWhy,
  fileSeen,
  noteEtag,
  recallSums,
  whyUnseen,
  withChecksums,
} from './file-identities.ts';
import { resolveFolder } from './folder-identities.ts';
import { nothing, type IdentitySources, type InputSeen } from './identity-sources.ts';
import { inParallel } from './in-parallel.ts';
import { seeObjects } from './see-objects.ts';

/** Names what an input's identity depends on; equal keys are looked at once. */
export function inputKey(input: InputOf<string>): string {
  const content = contentOf(input);
  return content === undefined
    ? `${input.type} ${input.url}`
    : `content ${sha256(content).toString('hex')}`;
}

/** As the task script takes it: an empty content beside a URL is none. */
const contentOf = ({ content, url }: InputOf<string>): string | undefined =>
  content === '' && url !== undefined ? undefined : content;

/** What all inputs hold, by `inputKey`. One request per 1,000 files of a folder where they lie together. */
export async function resolveInputs(
  sources: IdentitySources,
  inputs: readonly InputOf<string>[],
): Promise<Map<string, InputSeen>> {
  const wanted = new Map(inputs.map((input) => [inputKey(input), input]));
  const found = new Map<string, InputSeen>();
  const files = new Map<string, string>();
  const folders: [key: string, url: string][] = [];
  for (const [key, input] of wanted) {
    const { url, type } = input;
    const content = contentOf(input);
    if (content !== undefined) found.set(key, await contentSeen(sources, content));
    else if (url === undefined || !parseS3Url(url)) found.set(key, nothing('not-in-s3'));
    else if (type === 'DIRECTORY') folders.push([key, url]);
    else files.set(key, url);
  }
  await Promise.all([
    resolveFiles(sources, files, found),
    inParallel(
      folders.map(
        ([key, url]) =>
          async () =>
            void found.set(key, await resolveFolder(sources, url)),
      ),
    ),
  ]);
  return found;
}

/** The same bytes are the same input, whether they came by URL or in the task itself. */
async function contentSeen(
  { prefersSha256 }: IdentitySources,
  content: string,
): Promise<InputSeen> {
  const bytes = Buffer.from(content);
  const crc = new Crc64Nvme();
  crc.update(bytes);
  const sum = Buffer.from(await crc.digest()).toString('hex');
  const listed = etagIdentity(createHash('md5').update(bytes).digest('hex'), bytes.length);
  const identity = prefersSha256
    ? `sha256 ${sha256(bytes).toString('hex')} ${bytes.length}`
    : crcIdentity(sum, bytes.length);
  return {
    identity,
    listed: listed ?? identity,
    read: null,
    sizeBytes: bytes.length,
    modifiedMs: 0,
  };
}

async function resolveFiles(
  sources: IdentitySources,
  files: ReadonlyMap<string, string>,
  found: Map<string, InputSeen>,
): Promise<void> {
  const seen = await seeObjects(sources.objects, [...files.values()]);
  for (const one of seen.values()) noteEtag(sources.etags, one);
  const listed = [...files].flatMap(([key, url]) => {
    const object = seen.get(url);
    return object ? [{ key, object }] : [];
  });
  const known = await recallSums(
    sources,
    listed.map(({ object }) => object),
  );
  await inParallel([
    ...listed.map(({ key, object }, position) => async () => {
      found.set(key, await fileSeen(sources, object, known[position]));
    }),
    ...[...files].flatMap(([key, url]) =>
      seen.has(url) ? [] : [async () => void found.set(key, await whyUnseen(sources, url))],
    ),
  ]);
}

/**
 * Asks S3 for the checksums of inputs that only a listing has told of, so that they have their strong identity from
 * then on. One HEAD per object: for calls that may be hits, never for all.
 */
export async function strengthen(
  sources: IdentitySources,
  inputs: readonly InputOf<string>[],
): Promise<void> {
  const urls = new Set(
    inputs.flatMap((input) => {
      const { url, type } = input;
      const isFile = contentOf(input) === undefined && type === 'FILE';
      return isFile && url !== undefined && parseS3Url(url) ? [url] : [];
    }),
  );
  await inParallel(
    [...urls].map((url) => async () => {
      const described = await describeOrWhy(sources.objects, url);
      if (typeof described !== 'string')
        await withChecksums(sources, described, { object: described });
    }),
  );
}
