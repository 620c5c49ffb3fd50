/**
 * Pages of a list, newest first. The token holds the last id of a page, and is opaque to callers.
 */

const FORM = 'p1.';

const pageToken = (lastId: number): string =>
  Buffer.from(`${FORM}${lastId.toString(36)}`).toString('base64url');

/** The last id of the previous page, undefined for the first page, or 'malformed'. */
export function readPageToken(token: string | undefined): number | undefined | 'malformed' {
  if (token === undefined || token === '') return undefined;
  const text = Buffer.from(token, 'base64url').toString();
  const id =
    text.startsWith(FORM) && /^[0-9a-z]{1,11}$/.test(text.slice(FORM.length))
      ? Number.parseInt(text.slice(FORM.length), 36)
      : Number.NaN;
  return Number.isSafeInteger(id) ? id : 'malformed';
}

export const PAGE_TOKEN_EXPECTED = 'the next_page_token of an earlier reply';

export interface Page<T> {
  items: T[];
  next?: string;
}

/** Cuts a page from rows that were read with a limit of `size + 1`. */
export function cutPage<T extends { id: number }>(read: T[], size: number): Page<T> {
  const items = read.slice(0, size);
  const last = items.at(-1);
  return read.length > size && last ? { items, next: pageToken(last.id) } : { items };
}
