/** Numbers and times as people read them. Pure. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `840 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  const whole = Math.round(ms / SECOND) * SECOND;
  if (whole < MINUTE) return `${whole / SECOND} s`;
  if (whole < HOUR) return pair(whole, [MINUTE, 'min'], [SECOND, 's']);
  if (whole < DAY) return pair(whole, [HOUR, 'h'], [MINUTE, 'min']);
  return pair(whole, [DAY, 'd'], [HOUR, 'h']);
}

function pair(ms: number, [large, largeName]: Unit, [small, smallName]: Unit): string {
  const rest = Math.floor((ms % large) / small);
  const first = `${Math.floor(ms / large)} ${largeName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

type Unit = [ms: number, name: string];

export const seconds = (value: number): string => duration(value * SECOND);

export const count = (value: number): string => Math.round(value).toLocaleString('en-US');

export const tasks = (value: number): string => `${count(value)} task${value === 1 ? '' : 's'}`;

export function percent(part: number, whole: number): string {
  if (whole === 0) return '0 %';
  const share = (part / whole) * 100;
  // 9,999 of 10,000 is not everything, and 1 of 10,000 is not nothing.
  const shown =
    part === whole ? 100 : Math.min(99, Math.max(part === 0 ? 0 : 1, Math.round(share)));
  return `${shown} %`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(value: number): string {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, value)) / 10));
  const scaled = value / 1024 ** step;
  return `${step === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[step]}`;
}

export function rate(perMinute: number): string {
  if (perMinute >= 600) return `${count(perMinute / 60)} tasks/s`;
  return `${perMinute >= 10 ? count(perMinute) : perMinute.toFixed(1)} tasks/min`;
}

const SMALLEST_MONEY = 0.01;

export function money(value: number, currency: string): string {
  const shown = (amount: number): string =>
    new Intl.NumberFormat('en-US', { style: 'currency', currency }).format(amount);
  return value > 0 && value < SMALLEST_MONEY ? `less than ${shown(SMALLEST_MONEY)}` : shown(value);
}

export function clock(time: string | number): string {
  return new Date(time).toLocaleString('en-GB', {
    day: '2-digit',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
}

export const ago = (time: string, nowMs: number): string => {
  const ms = nowMs - Date.parse(time);
  return ms < 5 * SECOND ? 'just now' : `${duration(ms)} ago`;
};
