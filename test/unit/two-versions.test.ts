/**
 * Two versions side by side: what every recorded version wrote is read by this one, and what a later
 * version may write is never taken for something else (docs/adr/0046-two-versions.md).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { stages, type Stage } from '../../core/places.ts';
import { parseLease } from '../../core/installation/lease.ts';
import { openResultBody } from '../../core/result/result-body.ts';
import { packRecord } from '../../core/result/result-bytes.ts';
import { decodeResultKey, headOfKey } from '../../core/result/result-key.ts';
import { decodeStartKey, hintProof, isUnknownHint } from '../../core/result/start-key.ts';
import {
  manifestIndexRange,
  openValues,
  parseManifestEntry,
  valuesRange,
} from '../../core/submission/manifest.ts';
import { proofOf } from '../../core/submission/proof.ts';
import { readMessage } from '../../queues/read-message.ts';
import {
  LEASE,
  MANIFEST,
  MEASURED,
  RECORDED,
  RECORDS,
  SECRET,
  STARTED_MS,
  writeForms,
  type WrittenForms,
} from '../forms.ts';

const FOLDER = new URL('../fixtures/versions/', import.meta.url);
const fileOf = (version: string): URL => new URL(`${version}/forms.json`, FOLDER);
const versions = readdirSync(FOLDER);
const formsOf = (version: string): WrittenForms =>
  JSON.parse(readFileSync(fileOf(version), 'utf8')) as WrittenForms;

const isStage = (name: string): name is Stage => stages.some((stage) => stage === name);
const read = (stage: string, data: unknown) =>
  isStage(stage) ? readMessage(stage, data) : undefined;

test('what this version writes is recorded, so a change of a form is seen (vitest --update records a new version)', async () => {
  await expect(`${JSON.stringify(writeForms(), null, 2)}\n`).toMatchFileSnapshot(
    fileOf(packageJson.version).pathname,
  );
});

describe.each(versions)('what version %s wrote', (version) => {
  const written = formsOf(version);

  test('its messages are read', () => {
    expect(written.messages.length).toBeGreaterThanOrEqual(stages.length);
    for (const { stage, data } of written.messages)
      expect(read(stage, data), stage).toEqual({ message: data });
  });

  test('its result records are read, from keys and from bodies', () => {
    const recorded = { index: RECORDED.index, attempt: RECORDED.attempt };
    for (const [name, key] of Object.entries(written.resultKeys)) {
      const record = RECORDS[name];
      expect(decodeResultKey(SECRET, key), name).toEqual({
        ...recorded,
        endedMs: record?.endedMs,
        record,
      });
      expect(openResultBody(RECORDED, written.resultBodies[name] ?? ''), name).toEqual(record);
    }
  });

  test('its starts, its lease, and its manifests are read', () => {
    expect(decodeStartKey(SECRET, written.startKey)).toMatchObject({ startedMs: STARTED_MS });
    expect(parseLease(SECRET, written.lease)).toEqual(LEASE);
    const manifest = Buffer.from(written.manifest, 'base64');
    const slice = ({ start, end }: { start: number; end: number }) =>
      manifest.subarray(start, end + 1);
    for (const [index, part] of MANIFEST.entries()) {
      const entry = parseManifestEntry(slice(manifestIndexRange(index)), index);
      expect(entry.scriptSha256).toBe(part.scriptSha256);
      const range = valuesRange(entry);
      const values = openValues(SECRET, entry, range ? slice(range) : Buffer.alloc(0));
      expect(values?.toString('utf8')).toBe(part.values);
    }
  });
});

describe('what a later version may write', () => {
  test.each(stages)('a message of a later form for %s is left to it', (stage) => {
    for (const data of [{ form: 2, tasks: [1] }, { form: 7, queue: 'a' }, { form: 2 }])
      expect(readMessage(stage, data)).toEqual({ newerForm: data.form });
  });

  test('a member that a later version adds to a form changes nothing', () => {
    for (const { stage, data } of writeForms().messages)
      expect(read(stage, { ...(data as object), hint: { of: 'later' } })).toEqual({
        message: data,
      });
  });

  test.each(stages)('what is no message for %s in any version is refused, and shown', (stage) => {
    const others = [null, undefined, 5, 'tasks', [], {}, { form: 0 }, { form: '2' }, { form: 1.5 }];
    const wrong = [
      { tasks: 'all' },
      { tasks: [0] },
      { tasks: [1, '2'] },
      { shape: 'x' },
      { shape: '00112233445566778899aabbccddeeff', submissions: [1] },
      { queue: '' },
      { submissions: [1.5] },
    ];
    for (const data of [...others, ...wrong])
      expect(readMessage(stage, data)).toEqual({
        malformed: expect.stringMatching(new RegExp(`^The message is not one for ${stage}: `)),
      });
  });

  const keyOf = (bytes: Buffer): string => {
    const about = [STARTED_MS, RECORDED.index, RECORDED.attempt];
    const proof = proofOf(SECRET, 'result-key', about, bytes);
    return headOfKey(RECORDED, STARTED_MS) + Buffer.concat([bytes, proof]).toString('base64url');
  };
  const packed = packRecord(MEASURED);

  test('a proven record of a later form is left to it, and one without proof is as if it were not there', () => {
    const later = Buffer.concat([Buffer.from([3]), packed.subarray(1), Buffer.from('more')]);
    for (const bytes of [later, Buffer.from([3]), Buffer.from([200])])
      expect(decodeResultKey(SECRET, keyOf(bytes))).toEqual({
        index: RECORDED.index,
        attempt: RECORDED.attempt,
        endedMs: STARTED_MS,
        isNewer: true,
      });
    expect(decodeResultKey(Buffer.alloc(32, 9), keyOf(later))).toBeUndefined();
    // No later version goes back to an earlier form, or writes this one in another way.
    const withMore = Buffer.concat([packed, Buffer.from('more')]);
    for (const bytes of [Buffer.from([1, 0]), Buffer.from([2, 255]), withMore])
      expect(decodeResultKey(SECRET, keyOf(bytes))).toBeUndefined();
  });

  test('a proven body of a later form is left to it', () => {
    const json = JSON.stringify({ form: 2, ended: 'then' });
    const about = [RECORDED.index, RECORDED.attempt];
    const seal = (secret: Buffer): string =>
      `${json.slice(0, -1)},"proof":"${proofOf(secret, 'result-body', about, json).toString('base64url')}"}`;
    expect(openResultBody(RECORDED, seal(SECRET))).toBe('newer');
    expect(openResultBody(RECORDED, seal(Buffer.alloc(32, 9)))).toBeUndefined();
  });

  test('a proven hint of a kind that is not known is passed over, and any other object is not', () => {
    const head = headOfKey(RECORDED, STARTED_MS);
    const proof = hintProof(RECORDED, 'progress', head).toString('base64url');
    expect(isUnknownHint(SECRET, `${head}progress.${proof}`)).toBe(true);
    expect(isUnknownHint(SECRET, `${head}other.${proof}`)).toBe(false);
    expect(isUnknownHint(Buffer.alloc(32, 9), `${head}progress.${proof}`)).toBe(false);
    for (const tail of ['', 'x', `${head}progress`, writeForms().startKey])
      expect(isUnknownHint(SECRET, tail)).toBe(false);
  });
});
