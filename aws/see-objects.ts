/** Objects as S3 shows them, with few requests: by listing where they lie together, else one by one. */
import { formatS3Url, parseS3Url } from '../core/files/s3-url.ts';
import { inParallel } from './in-parallel.ts';
import { isPermanent } from './s3-errors.ts';
import type { ObjectStore, SeenObject } from './s3.ts';

/** From this many objects of one folder on, a listing is cheaper than single requests. */
const LISTING_PAYS_FROM = 4;
/** A folder is listed only while a page of 1,000 shows at least this many of the wanted objects. */
const WANTED_PER_PAGE = 2;
/**
 * The files of a chunk of a scatter are adjacent. A few others between them should not cost another
 * page.
 */
const STRANGERS = 20;

/** Objects as listings or single requests show them. Those that do not exist are left out. */
export async function seeObjects(
  objects: ObjectStore,
  urls: readonly string[],
): Promise<Map<string, SeenObject>> {
  const seen = new Map<string, SeenObject>();
  // The object of an empty folder, `…/logs/`, is listed with what is beside the folder.
  const folders = Map.groupBy(new Set(urls), (url) =>
    url.slice(0, url.lastIndexOf('/', url.length - 2) + 1),
  );
  const work: (() => Promise<void>)[] = [];
  for (const [folder, members] of folders) {
    if (members.length >= LISTING_PAYS_FROM)
      work.push(() => listWanted(objects, folder, new Set(members), seen));
    else for (const url of members) work.push(() => describeInto(objects, url, seen));
  }
  await inParallel(work);
  return seen;
}

async function describeInto(
  objects: ObjectStore,
  url: string,
  seen: Map<string, SeenObject>,
): Promise<void> {
  const one = await ignorePermanent(objects.describe(url));
  if (one) seen.set(url, one);
}

/**
 * Undefined on a permanent error: the bad URL of one task must not delay the other tasks of the
 * chunk.
 */
export function ignorePermanent<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: unknown) => {
    if (isPermanent(error)) return undefined;
    throw error;
  });
}

/**
 * Lists the folder from just before the first wanted key. Objects hidden among many others are
 * requested one by one.
 */
async function listWanted(
  objects: ObjectStore,
  folder: string,
  wanted: Set<string>,
  seen: Map<string, SeenObject>,
): Promise<void> {
  const keys = [...wanted]
    .map((url) => parseS3Url(url)?.key ?? '')
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const [first = '', last = ''] = [keys[0], keys.at(-1)];
  const bucket = parseS3Url(folder)?.bucket ?? '';
  const lastUrl = formatS3Url({ bucket, key: last });

  const missing = new Set(wanted);
  const listed = async (): Promise<'whole' | 'in-part'> => {
    for await (const page of objects.list(folder, {
      startAfterKey: justBefore(first),
      firstPage: Math.min(1000, wanted.size + STRANGERS),
    })) {
      const missed = missing.size;
      for (const one of page) if (missing.delete(one.url)) seen.set(one.url, one);
      const end = page.at(-1)?.url;
      if (end === undefined || Buffer.compare(Buffer.from(end), Buffer.from(lastUrl)) >= 0)
        return 'whole';
      if ((missed - missing.size) * 1000 < WANTED_PER_PAGE * page.length) return 'in-part';
    }
    return 'whole';
  };
  // Without the permission to list a bucket, its objects can still be readable.
  if ((await ignorePermanent(listed())) === 'whole') return;
  await inParallel([...missing].map((url) => () => describeInto(objects, url, seen)));
}

/** A key just before `key`: the last character is one lower, followed by the highest character. */
function justBefore(key: string): string {
  const points = Array.from(key);
  const last = points.pop()?.codePointAt(0) ?? 0;
  const lower = last > 1 && last < 0xd800 ? `${String.fromCodePoint(last - 1)}\u{10FFFD}` : '';
  return points.join('') + lower;
}
