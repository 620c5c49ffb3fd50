import { expect, test } from 'vitest';
import { parseListing } from '../../aws/listing.ts';

const page = (inside: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>${inside}</ListBucketResult>`;
const object = (key: string, more = '') =>
  `<Contents><Key>${key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;d41d8&quot;</ETag><Size>7</Size>${more}<StorageClass>STANDARD</StorageClass></Contents>`;

test('a listing gives the key, size, ETag and time of each object', () => {
  const { objects } = parseListing(page(object('a/1') + object('a/2')));
  expect(objects).toEqual(
    ['a/1', 'a/2'].map((key) => ({
      key,
      sizeBytes: 7,
      etag: '"d41d8"',
      lastModifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    })),
  );
});

test('keys are unescaped from XML', () => {
  const { objects } = parseListing(
    page(object('a &amp; b &lt;c&gt; &apos;d&apos; &#x1F600;&#233; &amp;amp;')),
  );
  expect(objects[0]?.key).toBe("a & b <c> 'd' 😀é &amp;");
});

test.each([
  ['before the objects', (token: string) => token + object('a')],
  ['after the objects', (token: string) => object('a') + token],
  ['without any object', (token: string) => token],
])('the token of the next page is found %s', (_where, place) => {
  expect(
    parseListing(page(place('<NextContinuationToken>x&amp;y</NextContinuationToken>'))).nextToken,
  ).toBe('x&y');
});

test('the last page has no token, and an owner or a checksum is ignored', () => {
  const { objects, nextToken } = parseListing(
    page(
      object(
        'a',
        '<Owner><ID>1</ID><DisplayName>me</DisplayName></Owner><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>',
      ),
    ),
  );
  expect(nextToken).toBeUndefined();
  expect(objects).toHaveLength(1);
});

test('an answer that is not a complete listing is an error and not an empty folder', () => {
  expect(() => parseListing('<Error><Code>SlowDown</Code></Error>')).toThrow(
    /something other than a complete listing/,
  );
  expect(() => parseListing(page(object('a')).slice(0, -30))).toThrow(
    /something other than a complete listing/,
  );
  expect(() => parseListing('')).toThrow(/something other than a complete listing/);
});
