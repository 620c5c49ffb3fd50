import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isOneOf } from '../../db/id-ranges.ts';

/** The ids up to 60 for which the condition holds. */
function idsIn({ sql, values }: ReturnType<typeof isOneOf>): number[] {
  const all = Array.from({ length: 61 }, (_, id) => id);
  if (sql.includes('IN')) return all.filter((id) => (values as number[][])[0]?.includes(id));
  const bounds = values as number[];
  expect(sql.split(' OR ')).toHaveLength(bounds.length / 2);
  return all.filter((id) =>
    bounds.some((first, at) => at % 2 === 0 && id >= first && id <= (bounds[at + 1] ?? 0)),
  );
}

it('A condition on ids holds for each of them, and for no other.', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1 }), (ids) => {
      expect(idsIn(isOneOf('id', ids))).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
    }),
  );
});

it('Neighbours are one range, whatever their order; scattered ids are a list.', () => {
  const neighbours = Array.from({ length: 20 }, (_, at) => 100 - at);
  expect(isOneOf('id', neighbours)).toEqual({ sql: '(id BETWEEN ? AND ?)', values: [81, 100] });
  expect(isOneOf('id', [7])).toEqual({ sql: '(id BETWEEN ? AND ?)', values: [7, 7] });
  expect(isOneOf('id', [1, 3, 5])).toEqual({ sql: 'id IN (?)', values: [[1, 3, 5]] });
});
