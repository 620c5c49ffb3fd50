/**
 * A page of a listing, parsed from its XML by hand. The SDK takes some 40 ms of CPU for 1,000 keys,
 * this takes 1 to 2 ms. Listings are what the fleet reads most: every result of a scatter, and every
 * input twice.
 */
import {
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { buffer } from 'node:stream/consumers';
import { addNextToWire } from './request-middleware.ts';

interface ListedObject {
  key: string;
  sizeBytes: number;
  /** With its quotes. */
  etag: string;
  lastModifiedMs: number;
}

export interface ListedPage {
  objects: ListedObject[];
  /** Start of the next page; absent on the last page. */
  nextToken?: string;
}

/**
 * Sends the request through the SDK (signature, retries, counting), and parses a successful answer
 * before the SDK does.
 */
export async function listPage(
  client: S3Client,
  input: ListObjectsV2CommandInput,
): Promise<ListedPage> {
  const command = new ListObjectsV2Command(input);
  let xml = '';
  addNextToWire(command, 'batchwellListing', (next) => async (args) => {
    const result = (await next(args)) as { response: { statusCode: number; body: unknown } };
    const { response } = result;
    if (response.statusCode !== 200) return result;
    xml = (await buffer(response.body as AsyncIterable<Buffer>)).toString('utf8');
    response.body = new Uint8Array();
    return result;
  });
  await client.send(command);
  return parseListing(xml);
}

/** @throws Error if it is not a complete ListBucketResult. */
export function parseListing(xml: string): ListedPage {
  if (
    !/<ListBucketResult[\s>]/.test(xml.slice(0, 1000)) ||
    !xml.trimEnd().endsWith('</ListBucketResult>')
  ) {
    const shown = JSON.stringify(xml.slice(0, 200));
    throw new Error(
      `S3 answered a list request with something other than a complete listing: ${shown}.`,
    );
  }
  const [head = '', ...contents] = xml.split('<Contents>');
  const objects = contents.map((text) => ({
    key: textOf(text, 'Key') ?? '',
    sizeBytes: Number(textOf(text, 'Size') ?? 0),
    etag: textOf(text, 'ETag') ?? '',
    lastModifiedMs: Date.parse(textOf(text, 'LastModified') ?? '') || 0,
  }));
  // The token is before the first or after the last object.
  const last = contents.at(-1) ?? '';
  const nextToken =
    textOf(head, 'NextContinuationToken') ??
    textOf(last.slice(last.indexOf('</Contents>') + 1), 'NextContinuationToken');
  return { objects, ...(nextToken === undefined ? {} : { nextToken }) };
}

function textOf(xml: string, name: string): string | undefined {
  const start = xml.indexOf(`<${name}>`);
  if (start === -1) return undefined;
  const end = xml.indexOf(`</${name}>`, start);
  const text = xml.slice(start + name.length + 2, end === -1 ? start : end);
  return text.includes('&') || text.includes('\r') ? decode(text) : text;
}

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decode(text: string): string {
  return text
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(
      /&(?:#x([0-9a-fA-F]+)|#(\d+)|([a-z]+));/g,
      (whole, hex?: string, decimal?: string, name?: string) => {
        if (name !== undefined) return named[name] ?? whole;
        return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
      },
    );
}
