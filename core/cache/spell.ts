/** Sizes, times and counts as people write them, in English and in UTC. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `3.1 GB`; decimal units. */
export function spellBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const twoDigits = (value: number): string => String(value).padStart(2, '0');

const dayOf = (date: Date): string => `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
const timeOf = (date: Date): string =>
  [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(twoDigits).join(':');

/** `28 Nov 2026 14:02:11` */
export function spellTime(epochMs: number): string {
  const date = new Date(epochMs);
  return `${dayOf(date)} ${date.getUTCFullYear()} ${timeOf(date)}`;
}

/** `27 Nov -> 28 Nov`, with no more than tells them apart; undefined where one is not known or both are the same. */
export function spellTimes(fromMs: number, toMs: number): string | undefined {
  if (fromMs === 0 || toMs === 0 || fromMs === toMs) return undefined;
  const [from, to] = [new Date(fromMs), new Date(toMs)];
  if (from.getUTCFullYear() !== to.getUTCFullYear())
    return `${dayOf(from)} ${from.getUTCFullYear()} -> ${dayOf(to)} ${to.getUTCFullYear()}`;
  if (dayOf(from) !== dayOf(to)) return `${dayOf(from)} -> ${dayOf(to)}`;
  return `${dayOf(from)} ${timeOf(from)} -> ${timeOf(to)}`;
}

const thousands = new Intl.NumberFormat('en-US');
/** `9,812` */
export const spellCount = (count: number): string => thousands.format(count);
