import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFaults, parseFaultRule, type FaultRule } from '../faults.ts';

/** Which of 1,000 requests a rule of probability 0.3 applies to. */
const affected = (seed: number) => {
  const faults = createFaults(seed);
  faults.add({ service: 's3', operation: '*', kind: 'error', probability: 0.3 });
  return Array.from({ length: 1000 }, () => faults.next('s3', 'PutObject', 'a') !== undefined);
};

describe('faults of the local AWS', () => {
  it('affect the operation and subject they name, as many times as they say', () => {
    const faults = createFaults();
    faults.add({
      id: 'twice',
      service: 'batch',
      operation: 'SubmitJob',
      match: 'bw-3',
      kind: 'drop-after',
      times: 2,
    });
    const bites = ['bw-3', 'bw-4', 'xbw-31', 'bw-3'].map(
      (name) => faults.next('batch', 'SubmitJob', name)?.id,
    );
    expect(bites).toEqual(['twice', undefined, 'twice', undefined]);
    expect(faults.next('s3', 'SubmitJob', 'bw-3')).toBeUndefined();
    expect(faults.next('batch', 'ListJobs', 'bw-3')).toBeUndefined();
    expect(faults.list()[0]?.bitten).toBe(2);
  });

  it('of a behaviour kind are applied only where the service asks for that kind', () => {
    const faults = createFaults();
    faults.add({ service: 'batch', operation: '*', kind: 'spot-loss', times: 1 });
    expect(faults.next('batch', 'SubmitJob', 'a')).toBeUndefined();
    expect(faults.next('batch', 'run', 'a', ['spot-loss'])?.kind).toBe('spot-loss');
  });

  it('repeat with the same seed and occur about as often as their probability', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const first = affected(seed);
        expect(affected(seed)).toEqual(first);
        const count = first.filter(Boolean).length;
        expect(count).toBeGreaterThan(200);
        expect(count).toBeLessThan(400);
      }),
      { numRuns: 20 },
    );
    expect(affected(1)).not.toEqual(affected(2));
  });

  it('are replaced by id, removed and cleared', () => {
    const faults = createFaults();
    const made = faults.add({ service: 's3', operation: '*', kind: 'throttle' });
    faults.add({ ...made, kind: 'delay', delayMs: 5 });
    expect(faults.list().map(({ kind }) => kind)).toEqual(['delay']);
    expect(faults.remove(made.id)).toBe(true);
    expect(faults.remove(made.id)).toBe(false);
    faults.add({ service: 's3', operation: '*', kind: 'throttle' });
    faults.clear();
    expect(faults.list()).toEqual([]);
  });

  it('are parsed from JSON, and each invalid field is named', () => {
    const rule: FaultRule = {
      service: 's3',
      operation: '*',
      kind: 'error',
      status: 500,
      probability: 0.5,
    };
    expect(parseFaultRule(rule)).toEqual({ rule });
    expect(parseFaultRule({ service: 'sqs', kind: 'error', status: 9000, tmes: 1 })).toEqual({
      problems: [
        "service: expected 's3' or 'batch', got \"sqs\"",
        "operation: expected an operation's name or '*', got nothing",
        'status: expected an HTTP status, got 9000',
        'tmes: no such field',
      ],
    });
    expect(parseFaultRule(null)).toEqual({ problems: ['A fault rule must be a JSON object.'] });
  });
});
