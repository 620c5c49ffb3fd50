import { describe, expect, test } from 'vitest';
import type { CacheDecision } from '../../core/cache/decide-hit.ts';
import type { Why } from '../../core/cache/reasons.ts';
import { rowOfWhy, whyInRow, whyOf, type WhyFacts } from '../../core/cache/why.ts';

const HIT: CacheDecision = { do: 'hit', entryId: 1 };
const SPEC: NonNullable<WhyFacts['spec']> = {
  inputs: [{ url: 's3://lab/ref.fa', path: '/in/ref.fa', type: 'FILE' }],
  outputs: [],
  executors: [{ image: 'debian:12', command: ['cat', '/in/ref.fa'] }],
};

describe('the reason of a decision', () => {
  const facts: WhyFacts = { mode: 'readwrite', hasOutputs: true, seen: [] };
  const miss = { do: 'miss', because: 'miss' } as const;
  const lost: Why = { reason: 'outputs-gone', sourceId: 3 };
  test.each<[string, CacheDecision, Partial<WhyFacts>, Why | undefined]>([
    ['names the source of a hit', HIT, { entryTaskId: 3 }, { reason: 'same-call', sourceId: 3 }],
    [
      'says of a hit that it waited for its source',
      HIT,
      { entryTaskId: 3, waitedFor: 3 },
      { reason: 'waited', sourceId: 3 },
    ],
    ['is not known while a task waits', { do: 'wait', leaderId: 4 }, {}, undefined],
    [
      'names the leader that left nothing',
      miss,
      { waitedFor: 4 },
      { reason: 'leader-left-nothing', sourceId: 4 },
    ],
    ['stays that of the hit that was lost', miss, { lost, waitedFor: 4 }, lost],
    ['says that a task only writes', miss, { mode: 'write' }, { reason: 'write-only' }],
    ['says that caching is off', { ...miss, because: 'off' }, { mode: 'off' }, { reason: 'off' }],
    [
      'says that there are no outputs',
      { ...miss, because: 'off' },
      { mode: 'off', hasOutputs: false },
      { reason: 'no-outputs' },
    ],
    [
      'names the image that is not known',
      {
        do: 'miss',
        because: 'image-not-resolved',
        problem: { code: 'busy', sentence: 'It is busy.' },
      },
      { spec: SPEC },
      { reason: 'image-not-resolved', subject: 'debian:12' },
    ],
    [
      'names the input that may not be read',
      { ...miss, because: 'unreadable-input' },
      { spec: SPEC, seen: [{ why: 'denied' }] },
      { reason: 'input-denied', subject: '/in/ref.fa' },
    ],
  ])('the reason of a decision %s', (_, decision, change, expected) => {
    const why = whyOf(decision, { ...facts, ...change });
    expect(why).toEqual(expected);
    expect(why && whyInRow(rowOfWhy(why))).toEqual(why);
  });
});
