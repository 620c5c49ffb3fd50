/** The same numbers for the same seed (mulberry32). */
export interface Dice {
  /** From 0 to 1. */
  roll(): number;
  /** True with this probability. */
  is(probability: number): boolean;
  between(least: number, most: number): number;
}

export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const roll = (): number => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    roll,
    is: (probability) => roll() < probability,
    between: (least, most) => least + roll() * (most - least),
  };
}
