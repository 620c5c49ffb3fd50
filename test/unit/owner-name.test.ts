import { describe, expect, test } from 'vitest';
import { createCallers } from '../../api/access/callers.ts';
import { readConfig } from '../../config.ts';
import { ownerInstead } from '../../core/access/owner-name.ts';

/** MySQL compares texts without the spaces at their ends, and stores every half of a pair alike. */
const ALIKE = ['ann ', ' ann', 'ann\n', 'ann\u{3000}', 'a\u{7}nn', 'ann\u{d800}'];

describe('the name of an owner', () => {
  test.each([...ALIKE, '', ' ', 'x'.repeat(65)])('%j is refused', (name) => {
    expect(ownerInstead(name)).toMatch(/^a name /);
  });

  test.each(['ann', 'Ann', 'ann bob', 'ann/bob', 'añn', 'ann@lab.example', '測序', 'x'.repeat(64)])(
    '%j is accepted',
    (name) => expect(ownerInstead(name)).toBeUndefined(),
  );

  test.each(ALIKE)('an API with the owner %j in its settings does not start', (owner) => {
    const config = { ...readConfig({}), tokens: ['bob:other', `${owner}:a-secret`] };
    const open = () => createCallers({ config, database: {} as never, nowMs: Date.now });
    expect(open).toThrow(/^BATCHWELL_TOKENS: item 2 is not owner:token: expected a name /);
    expect(open).not.toThrow('a-secret');
  });
});
