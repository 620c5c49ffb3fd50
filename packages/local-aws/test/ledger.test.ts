import { describe, expect, it } from 'vitest';
import { createLedger } from '../ledger.ts';

describe('the ledger of the local AWS', () => {
  it('counts requests by operation and by code', () => {
    const ledger = createLedger();
    ledger.request({ service: 's3', operation: 'PutObject', status: 200, durationMs: 1 });
    ledger.request({
      service: 's3',
      operation: 'PutObject',
      status: 412,
      code: 'PreconditionFailed',
      durationMs: 1,
    });
    ledger.request({ service: 'batch', operation: 'SubmitJob', status: 0, durationMs: 1 });
    expect(ledger.summary().requests).toEqual({
      's3.PutObject': { count: 2, byCode: { OK: 1, PreconditionFailed: 1 } },
      'batch.SubmitJob': { count: 1, byCode: { Dropped: 1 } },
    });
    expect(ledger.summary().requestsTotal).toBe(3);
  });

  it('keeps only the newest requests, in order, and counts all of them', () => {
    let nowMs = 0;
    const ledger = createLedger({ recentLimit: 3, nowMs: () => (nowMs += 1) });
    for (let i = 1; i <= 8; i += 1)
      ledger.request({ service: 's3', operation: `Op${i}`, status: 200, durationMs: 1 });
    expect(ledger.recent().map(({ operation, atMs }) => `${operation}@${atMs}`)).toEqual([
      'Op6@6',
      'Op7@7',
      'Op8@8',
    ]);
    expect(ledger.summary().requestsTotal).toBe(8);
  });

  it('records every start with its end and counts the jobs that started more than once', () => {
    const ledger = createLedger({ nowMs: () => 7 });
    ledger.start({ jobId: 'a:0', name: 'bw-1', attempt: 1 });
    ledger.start({ jobId: 'a:1', name: 'bw-1', attempt: 1 });
    ledger.end({ jobId: 'a:0', attempt: 1, exitCode: 137, reason: 'OutOfMemoryError' });
    ledger.start({ jobId: 'a:0', name: 'bw-1', attempt: 2 });
    ledger.end({ jobId: 'never started', attempt: 1 });
    expect(ledger.starts()[0]).toEqual({
      jobId: 'a:0',
      name: 'bw-1',
      attempt: 1,
      startedAtMs: 7,
      endedAtMs: 7,
      exitCode: 137,
      reason: 'OutOfMemoryError',
    });
    expect(ledger.summary()).toMatchObject({
      startsTotal: 3,
      endsTotal: 2,
      running: 2,
      jobsStartedAgain: 1,
    });
  });

  it('forgets everything on reset', () => {
    const ledger = createLedger({ recentLimit: 1 });
    ledger.request({ service: 's3', operation: 'PutObject', status: 200, durationMs: 1 });
    ledger.start({ jobId: 'a', name: 'bw-1', attempt: 1 });
    ledger.reset();
    expect(ledger.summary()).toEqual(createLedger().summary());
    expect([...ledger.recent(), ...ledger.starts()]).toEqual([]);
  });
});
