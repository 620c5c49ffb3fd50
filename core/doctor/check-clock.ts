/** Whether the clocks agree. */
import { fine, note, wrong, type Finding } from './finding.ts';

/** How far this host's clock is ahead of another, ms. */
export interface ClockFacts {
  database: number | undefined;
  redis: number | undefined;
}

/** AWS refuses a request whose signature is five minutes off. */
const REFUSED_MS = 300_000;
const OFF_MS = 5000;

export function checkClocks({ database, redis }: ClockFacts): Finding[] {
  const known = Object.entries({ 'the database': database, Redis: redis }).flatMap(([name, ms]) =>
    ms === undefined ? [] : [{ name, ms }],
  );
  if (known.length === 0) return [];
  const off = known.filter(({ ms }) => Math.abs(ms) >= OFF_MS);
  if (off.length === 0)
    return [fine('clock', `agrees with ${known.map(({ name }) => name).join(' and ')}`)];
  const found = off.map(({ name, ms }) => `${Math.round(ms / 1000)} s ahead of ${name}`).join(', ');
  const advice = 'Run chrony or another time service on this host and on theirs.';
  return [
    off.some(({ ms }) => Math.abs(ms) >= REFUSED_MS)
      ? wrong('clock', found, `${advice} AWS refuses requests that are five minutes off.`)
      : note('clock', found, `${advice} The fleet goes by the clock of the database.`),
  ];
}
