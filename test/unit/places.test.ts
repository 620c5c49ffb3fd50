import { describe, expect, test } from 'vitest';
import { endPlaces, isEnd, moves, places, stages } from '../../core/places.ts';

const all = Object.entries(moves).map(([name, { from, to, when }]) => ({
  name,
  from: from as readonly string[],
  to: to as string,
  when: when as string,
}));
const leaving = (stage: string) => all.filter(({ from }) => from.includes(stage));

describe('the table of moves', () => {
  test.each([...stages])('%s is left by success, by failure and by cancel', (stage) => {
    expect(leaving(stage).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['fail', 'cancel']),
    );
    expect(leaving(stage).filter(({ to }) => to !== 'failed' && to !== 'cancelled')).not.toEqual(
      [],
    );
  });

  test.each(stages.filter((stage) => stage !== 'cache-check'))(
    '%s is entered by a move',
    (stage) => {
      expect(all.filter(({ to }) => to === stage)).not.toEqual([]);
    },
  );

  test('every stage leads to done', () => {
    const reaches = new Set<string>(['done']);
    for (let size = 0; size !== reaches.size;) {
      size = reaches.size;
      for (const { from, to } of all)
        if (reaches.has(to)) for (const place of from) reaches.add(place);
    }
    expect(stages.filter((stage) => !reaches.has(stage))).toEqual([]);
  });

  test('no move leaves an end or stays where it begins, and each has a reason', () => {
    expect(
      all.filter(({ from }) =>
        from.some((place) => (endPlaces as readonly string[]).includes(place)),
      ),
    ).toEqual([]);
    expect(all.filter(({ from, to }) => from.includes(to))).toEqual([]);
    expect(all.filter(({ when }) => when === '')).toEqual([]);
    expect(places.filter((place) => isEnd(place))).toEqual([...endPlaces]);
  });
});
