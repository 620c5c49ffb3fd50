import { describe, expect, test } from 'vitest';
import { endPlaces, isEnd, moves, places, stages } from '../../core/places.ts';

const all = Object.entries(moves);

describe('the table of moves', () => {
  test('lets every stage be entered, left by success, by failure and by cancel', () => {
    for (const stage of stages) {
      const out = all.filter(([, { from }]) => (from as readonly string[]).includes(stage));
      expect(out.map(([name]) => name), stage).toEqual(expect.arrayContaining(['fail', 'cancel']));
      expect(out.some(([, { to }]) => to !== 'failed' && to !== 'cancelled'), stage).toBe(true);
      if (stage !== 'cache-check') expect(all.some(([, { to }]) => to === stage), stage).toBe(true);
    }
  });

  test('leads from every stage to done', () => {
    const reaches = new Set<string>(['done']);
    for (let size = 0; size !== reaches.size; ) {
      size = reaches.size;
      for (const [, { from, to }] of all) if (reaches.has(to)) for (const place of from) reaches.add(place);
    }
    expect([...stages].filter((stage) => !reaches.has(stage))).toEqual([]);
  });

  test('has no way out of an end, no move to where it begins, and a reason for each', () => {
    for (const [name, { from, to, when }] of all) {
      expect(from.filter((place) => isEnd(place)), name).toEqual([]);
      expect((from as readonly string[]).includes(to), name).toBe(false);
      expect(when, name).not.toBe('');
    }
    expect(places.filter((place) => isEnd(place))).toEqual([...endPlaces]);
  });
});
