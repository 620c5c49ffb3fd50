/** Times for people: local, and as ages. */

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026-11-29 11:03:22`, in the time zone of this machine (TZ). */
export function formatLocalTime(time: string | undefined): string | undefined {
  if (time === undefined || time === '') return undefined;
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `11:03:22` today, `Nov 28 11:03` before, `2025-11-28` in another year: for a column. */
export function formatShortTime(time: string | undefined, nowMs: number): string | undefined {
  const whole = formatLocalTime(time);
  if (time === undefined || whole === undefined) return undefined;
  const [date, now] = [new Date(time), new Date(nowMs)];
  if (date.toDateString() === now.toDateString()) return whole.slice(11);
  if (date.getFullYear() !== now.getFullYear()) return whole.slice(0, 10);
  return `${MONTHS[date.getMonth()]} ${two(date.getDate())} ${whole.slice(11, 16)}`;
}

const UNITS = [
  ['s', 1000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
] as const;

/** `41 s`, `12 min`, `7 h`, `3 d`. */
export function formatAge(ms: number): string {
  const [name, unit] = UNITS.findLast(([, size]) => ms >= 2 * size) ?? UNITS[0];
  return `${Math.max(0, Math.floor(ms / unit))} ${name}`;
}

/** Milliseconds between two times; until now without an end. */
export const between = (from: string, to: string | undefined, nowMs: number): number =>
  Math.max(0, (to === undefined ? nowMs : Date.parse(to)) - Date.parse(from));

const SINCE = /^(\d{1,6})\s*(s|min|m|h|d)$/;
const SINCE_MS: Record<string, number> = {
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `2h`, `30m`, `3d` ago, or a time: `2026-11-29`, `2026-11-29T11:00`. Undefined if it is neither. */
export function parseSince(given: string, nowMs: number): number | undefined {
  const [, count, unit = ''] = SINCE.exec(given.trim()) ?? [];
  if (count !== undefined) return nowMs - Number(count) * (SINCE_MS[unit] ?? 0);
  // A date alone would be read as UTC, but a person means the day of this machine.
  const text = /^\d{4}-\d\d-\d\d$/.test(given.trim()) ? `${given.trim()}T00:00:00` : given.trim();
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
