import { expect, test } from 'vitest';
import { packInputs, unpackInputs } from '../../core/cache/packed-inputs.ts';
import type { StoredInput } from '../../core/cache/stored-input.ts';

const ETAG = '900150983cd24fb0d6963f7d28e17f72';
const TIME = 1_764_288_000_000;

/** Values as they occur, and others that look like them. */
const VALUES = [
  `FILE etag ${ETAG} 123456`,
  'FILE crc64nvme 9f8e7d6c5b4a3921 123456',
  `FILE sha256 ${ETAG}${ETAG} 123456`,
  `DIRECTORY directory ${ETAG}`,
  `DIRECTORY etag ${ETAG}-directory`,
  `FILE etag ${ETAG} 0123456`,
  `FILE etag ${ETAG} 123`,
  `FILE etag ${ETAG.toUpperCase()} 123456`,
  `FILE etag ${ETAG}`,
  'FILE content 9f',
  'FILE etag 900 123456',
  'FILE text ["a=b"]',
  'FILE undefined',
  '=FILE',
  '',
];
const COMPONENTS = [
  'inputs[/in/a.fq]',
  'inputs[/a\nb]]',
  'inputs[x]',
  '=inputs[/a]',
  'inputs[/',
  '',
];

test('inputs come back from the database as they were', () => {
  const all = COMPONENTS.flatMap((component) =>
    VALUES.flatMap((value) =>
      ([0, 1] as const).map((isFixed): StoredInput => [component, value, 123_456, TIME, isFixed]),
    ),
  );
  expect(unpackInputs(packInputs(all))).toEqual(all);
  expect(unpackInputs(packInputs([]))).toEqual([]);
});

test('a fingerprint of two inputs takes less than 300 bytes with its digests', () => {
  const inputs = ['R1', 'R2'].map((read): StoredInput => [
    `inputs[/in/reads_${read}.fq.gz]`,
    `FILE etag ${ETAG} 3221225472`,
    3_221_225_472,
    TIME,
    0,
  ]);
  const digests = 3 * 32;
  const time = 8;
  expect(packInputs(inputs).length).toBeLessThan(JSON.stringify(inputs).length * 0.72);
  expect(packInputs(inputs).length + digests + time).toBeLessThan(260);
});
