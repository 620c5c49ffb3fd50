import { describe, expect, test } from 'vitest';
import { planCopies, type PlannedCopy } from '../../core/cache/copy-plan.ts';
import {
  decideCopyRetry,
  decideDenied,
  judgeFailedCopy,
  type CopyTrouble,
} from '../../core/cache/copy-trouble.ts';
import { decideHitMode, type HitModeFacts } from '../../core/cache/hit-mode.ts';

const copy = (fromUrl: string, toUrl: string, more: Partial<PlannedCopy> = {}): PlannedCopy => ({
  fromUrl,
  toUrl,
  sizeBytes: 1,
  crc64nvme: fromUrl,
  versionId: null,
  ...more,
});
/** The plan as `from>to` by wave. */
function planOf(copies: PlannedCopy[]): string[] | string {
  const plan = planCopies(copies);
  return plan.do === 'run'
    ? plan.because
    : plan.waves.map((wave) => wave.map((one) => `${one.fromUrl}>${one.toUrl}`).join(' '));
}

describe('the order of copies', () => {
  test('copies that do not touch each other run side by side', () => {
    expect(planOf([copy('a', 'x'), copy('b', 'y')])).toEqual(['a>x b>y']);
    expect(planOf([])).toEqual([]);
  });

  test('a source is copied before another copy overwrites it', () => {
    expect(planOf([copy('a', 'b'), copy('b', 'c'), copy('c', 'd'), copy('p', 'q')])).toEqual([
      'c>d p>q',
      'b>c',
      'a>b',
    ]);
  });

  test('outputs that exchange their URLs cannot be copied, and the task runs', () => {
    expect(planOf([copy('a', 'b'), copy('b', 'a'), copy('c', 'd')])).toBe(
      'The task exchanges the URLs of earlier outputs: b, a.',
    );
  });

  test('outputs that exchange their URLs are copied from their versions', () => {
    const [one, other] = [{ versionId: 'v1' }, { versionId: 'v2' }];
    expect(planOf([copy('a', 'b', one), copy('b', 'a', other)])).toEqual(['a>b b>a']);
    expect(planOf([copy('a', 'b', one), copy('b', 'a')])).toEqual(['b>a', 'a>b']);
    expect(planOf([copy('a', 'b', { versionId: 'null' }), copy('b', 'a')])).toMatch(/exchanges/);
  });

  test('the rc of a folder comes last, and the task runs where another copy would overwrite its source', () => {
    const rc = copy('a/rc', 'x/rc', { path: 'rc' });
    expect(planOf([rc, copy('a/1', 'x/1'), copy('a/2', 'a/1')])).toEqual([
      'a/1>x/1',
      'a/2>a/1',
      'a/rc>x/rc',
    ]);
    expect(planOf([rc])).toEqual(['a/rc>x/rc']);
    expect(planOf([rc, copy('b', 'a/rc')])).toContain('overwrites the rc');
    expect(
      planOf([copy('a/rc', 'x/rc', { path: 'rc', versionId: 'v' }), copy('b', 'a/rc')]),
    ).toEqual(['b>a/rc', 'a/rc>x/rc']);
  });

  test('an output that is in place is not copied', () => {
    expect(planOf([copy('a', 'a'), copy('b', 'c')])).toEqual(['b>c']);
    expect(planOf([copy('a', 'a')])).toEqual([]);
  });

  test('two outputs of one URL are copied when their bytes are equal, and run otherwise', () => {
    const same = { crc64nvme: 'same' };
    expect(planOf([copy('a', 'x', same), copy('b', 'x', same)])).toEqual(['a>x']);
    expect(planOf([copy('a', 'x', same), copy('x', 'x', same)])).toEqual([]);
    expect(planOf([copy('x', 'x'), copy('a', 'x')])).toBe(
      'Two outputs of different content have the URL x.',
    );
  });
});

describe('what a failed copy means', () => {
  const failed = (status: number, code: string, message = '') =>
    judgeFailedCopy({ status, code, message, isBadName: false });
  test.each<[number, string, string, CopyTrouble]>([
    [0, 'TimeoutError', '', 'transient'],
    [500, 'InternalError', '', 'transient'],
    [503, 'SlowDown', '', 'transient'],
    [503, 'ServiceUnavailable', '', 'transient'],
    [429, 'TooManyRequests', '', 'transient'],
    [400, 'RequestTimeout', '', 'transient'],
    [400, 'ExpiredToken', '', 'transient'],
    [400, 'InvalidToken', '', 'transient'],
    [501, 'NotImplemented', '', 'destination-refused'],
    [403, 'RequestTimeTooSkewed', '', 'transient'],
    [409, 'OperationAborted', '', 'transient'],
    [404, 'NoSuchUpload', '', 'transient'],
    [412, 'PreconditionFailed', '', 'source-changed'],
    [404, 'NoSuchKey', '', 'source-gone'],
    [404, 'NoSuchVersion', '', 'source-gone'],
    [404, 'NotFound', '', 'source-gone'],
    [404, 'NoSuchBucket', '', 'destination-refused'],
    [400, 'KeyTooLongError', '', 'destination-refused'],
    [400, 'BadDigest', '', 'source-changed'],
    [403, 'InvalidObjectState', '', 'source-archived'],
    [403, 'AccessDenied', 'Access Denied', 'denied'],
    [403, 'AccessDenied', 'not authorized to perform: s3:GetObject on', 'source-denied'],
    [403, 'AccessDenied', 'not authorized to perform: kms:Decrypt on', 'source-denied'],
    [403, 'AccessDenied', 'not authorized to perform: s3:PutObject on', 'destination-refused'],
  ])('%i %s %s is %s', (status, code, message, trouble) => {
    expect(failed(status, code, message)).toBe(trouble);
  });

  test('a URL that the SDK refuses is the destination’s', () => {
    expect(judgeFailedCopy({ status: 0, code: 'Error', message: '', isBadName: true })).toBe(
      'destination-refused',
    );
  });
});

describe('how long a hit waits', () => {
  const budgetMs = 3_600_000;
  test.each([
    [0, 2_000],
    [10_000, 10_000],
    [600_000, 60_000],
    [3_599_000, 1_000],
  ])('after %i ms of failed copies a hit waits %i ms more', (waitedMs, waitMs) => {
    expect(decideCopyRetry({ waitedMs, budgetMs })).toEqual({ do: 'wait', waitMs });
  });

  test('a hit whose budget is used up runs', () => {
    expect(decideCopyRetry({ waitedMs: budgetMs, budgetMs })).toEqual({ do: 'run' });
  });

  const MINUTE = 60_000;
  const denied = (sinceMs: number, probedMs: number) =>
    decideDenied({ denial: { sinceMs, probedMs }, nowMs: 100 * MINUTE, waitMs: 10 * MINUTE });
  test('hits of a denied source wait for the next probe, which is one a minute', () => {
    expect(denied(99 * MINUTE, 99.75 * MINUTE)).toEqual({ do: 'wait', waitMs: 0.75 * MINUTE });
    expect(denied(95 * MINUTE, 99 * MINUTE)).toEqual({ do: 'probe' });
  });

  test('hits of a source that was denied for 10 minutes run, and still one a minute probes', () => {
    expect(denied(90 * MINUTE, 99.5 * MINUTE)).toEqual({ do: 'run' });
    expect(denied(0, 98 * MINUTE)).toEqual({ do: 'probe' });
  });
});

describe('the mode of a hit', () => {
  const mode = (more: Partial<HitModeFacts>) =>
    decideHitMode({
      setting: 'reference',
      needsCopies: false,
      allowsUnpinned: false,
      versionIds: ['v1', 'v2'],
      ...more,
    });
  test('outputs are referenced where every one of them has a version', () => {
    expect(mode({})).toEqual({ mode: 'reference', isPinned: true });
    expect(mode({ versionIds: ['v1', null] }).mode).toBe('copy');
    expect(mode({ versionIds: ['null'] }).mode).toBe('copy');
    expect(mode({ setting: 'copy' }).mode).toBe('copy');
    expect(mode({ needsCopies: true }).mode).toBe('copy');
  });

  test('outputs without versions are referenced only where the setting allows it', () => {
    expect(mode({ versionIds: [null], allowsUnpinned: true })).toEqual({
      mode: 'reference',
      isPinned: false,
    });
  });
});
