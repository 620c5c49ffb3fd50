/** DIRECTORY inputs: every object below a key becomes a file, or an empty folder. */
import { append } from '../core/append.ts';
import { HeadObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { join } from 'node:path';
import { directorySum } from '../core/cache/read-digest.ts';
import type { ReadObject } from '../core/cache/read-digest.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { download } from './download.ts';
import { hexOf, isNotTold } from './fetched.ts';
import type { Fetched, Means } from './fetched.ts';
import { allSettled } from './limit.ts';
import { makeFolder } from './make-folder.ts';
import { DeclaredError, FinalError } from './s3.ts';

/** A key's path within its folder. @throws when it would lead out of the folder */
function pathWithin(key: string, prefix: string): string {
  const path = key.slice(prefix.length);
  const steps = path.replace(/\/$/, '').split('/');
  if (steps.some((step) => step === '' || step === '.' || step === '..'))
    throw new FinalError(`the key ${JSON.stringify(key)} cannot be the path of a file in a folder`);
  return path;
}

/** CRC64NVME of no bytes, as the marker of a folder has it. Hex. */
const EMPTY_CRC = '00'.repeat(8);

/** An object of a directory, as it was read. */
type FetchedMember = ReadObject & { crc64nvme?: string };

async function fetchMember(
  { s3, target }: Means,
  place: S3Place,
  { name, etag }: { name: string; etag: string },
  path: string,
): Promise<FetchedMember> {
  // An empty folder is an object without bytes whose key ends in '/'.
  if (name.endsWith('/')) {
    await makeFolder(path);
    return { name, etag, sizeBytes: 0, crc64nvme: EMPTY_CRC };
  }
  const file = await download(s3, place, path, { ...target, isAnnounced: true });
  return {
    name,
    etag: file.etag ?? '',
    sizeBytes: file.sizeBytes,
    ...(file.crc64nvme !== undefined && { crc64nvme: hexOf(file.crc64nvme) }),
  };
}

interface Listed {
  key: string;
  etag: string;
  sizeBytes: number;
}

/** @throws DeclaredError for keys that no file system can hold together */
function requireTree(listed: readonly Listed[], prefix: string, seen: Tree): void {
  for (const { key, sizeBytes } of listed) {
    if (key.endsWith('/') && sizeBytes > 0)
      throw new DeclaredError(
        `the key ${JSON.stringify(key)} ends in '/', which makes it a folder, but it holds ${sizeBytes} bytes. ` +
          'Copy the object to a key that does not end in a slash',
      );
    if (key === prefix) continue;
    const steps = pathWithin(key, prefix).replace(/\/$/, '').split('/');
    const depth = key.endsWith('/') ? steps.length : steps.length - 1;
    for (let count = 1, folder = ''; count <= depth; count += 1) {
      folder = `${folder}${steps[count - 1]}/`;
      seen.folders.add(folder);
      if (seen.files.has(folder)) throw bothKinds(prefix + folder);
    }
    if (key.endsWith('/')) continue;
    const asFolder = `${steps.join('/')}/`;
    seen.files.add(asFolder);
    if (seen.folders.has(asFolder)) throw bothKinds(prefix + asFolder);
  }
}

/** What a listing has shown so far, with a slash at the end of each name. */
interface Tree {
  files: Set<string>;
  folders: Set<string>;
}

const bothKinds = (folder: string): DeclaredError =>
  new DeclaredError(
    `${JSON.stringify(folder.slice(0, -1))} is the key of an object and also a folder that other keys are in. ` +
      'A file system cannot hold both: move one of them',
  );

export async function fetchFolder(means: Means, place: S3Place, folder: string): Promise<Fetched> {
  const { s3, target } = means;
  const members: FetchedMember[] = [];
  const prefix = place.key === '' || place.key.endsWith('/') ? place.key : `${place.key}/`;
  await makeFolder(folder);
  const tree: Tree = { files: new Set(), folders: new Set() };
  let seen = 0;
  for await (const page of paginateListObjectsV2(
    { client: s3 },
    { Bucket: place.bucket, Prefix: prefix },
  )) {
    const objects = (page.Contents ?? []).flatMap(
      ({ Key: key, ETag: etag = '', Size: sizeBytes = 0 }) =>
        key === undefined ? [] : [{ key, etag: etag.replaceAll('"', ''), sizeBytes }],
    );
    seen += objects.length;
    requireTree(objects, prefix, tree);
    await target.room.announceFolder(
      folder,
      objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    );
    append(
      members,
      await allSettled(
        objects
          .filter(({ key }) => key !== prefix)
          .map(({ key, etag }) =>
            fetchMember(
              means,
              { bucket: place.bucket, key },
              { name: key.slice(prefix.length), etag },
              join(folder, pathWithin(key, prefix)),
            ),
          ),
      ),
    );
  }
  if (seen === 0) throw await whyNoFolder(s3, place, prefix);
  return { read: members, sum: folderSum(members) };
}

/** Nothing is below the key of a DIRECTORY: a file may be at the key itself. */
async function whyNoFolder(
  s3: S3Client,
  { bucket, key }: S3Place,
  prefix: string,
): Promise<FinalError> {
  const file = key.replace(/\/+$/, '');
  const head = file !== '' && new HeadObjectCommand({ Bucket: bucket, Key: file });
  const isFile = head && (await s3.send(head).then(isThere, isNotTold));
  if (isFile) return new DeclaredError('it is a file (an object) but is declared as DIRECTORY');
  return new FinalError(
    `NoSuchKey: no object has this prefix: no key begins with ${JSON.stringify(prefix)}. An empty folder is an ` +
      'object with this key and no bytes',
  );
}

const isThere = (): boolean => true;

function folderSum(members: readonly FetchedMember[]): string | null {
  const summed = members.flatMap(({ name, sizeBytes, crc64nvme }) =>
    crc64nvme === undefined ? [] : [{ name, sizeBytes, crc64nvme }],
  );
  return summed.length === members.length ? directorySum(summed) : null;
}
