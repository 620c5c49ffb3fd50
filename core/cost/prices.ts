/**
 * What an hour of a vCPU and of a GiB of memory costs: the form of the price file, and which price a
 * job queue has. It is an estimate for dashboards. The bill has whole hosts, disks and transfers too.
 */
import { isSameQueue, isQueueName } from '../submission/on-demand.ts';
import builtIn from './prices.json' with { type: 'json' };
import { isObject } from '../is-object.ts';

export interface Rate {
  vcpuHour: number;
  gibHour: number;
}

export interface Prices {
  /** Where the prices are from. */
  source: string;
  /** The day on which they were read: YYYY-MM-DD. */
  asOf: string;
  /** ISO 4217, like USD. */
  currency: string;
  onDemand: Rate;
  /** For the queue of BATCHWELL_SPOT_QUEUE. */
  spot: Rate;
  /** For queues with prices of their own, by name or ARN. */
  queues: Readonly<Record<string, Rate>>;
}

/** @throws Error that names every wrong field */
export function readPrices(text: string): Prices {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isObject(value)) throw new Error('expected a JSON object');
  const wrong: string[] = [];
  const known = new Set(['source', 'asOf', 'currency', 'onDemand', 'spot', 'queues']);
  for (const name of Object.keys(value)) if (!known.has(name)) wrong.push(`${name} is not known`);
  const prices = {
    source: readText(value['source'], /^.{1,500}$/su, 'source', '1 to 500 characters', wrong),
    asOf: readText(value['asOf'], /^\d{4}-\d\d-\d\d$/, 'asOf', 'a day as YYYY-MM-DD', wrong),
    currency: readText(value['currency'], /^[A-Z]{3}$/, 'currency', 'a code such as USD', wrong),
    onDemand: readRate(value['onDemand'], 'onDemand', wrong),
    spot: readRate(value['spot'], 'spot', wrong),
    queues: readQueues(value['queues'], wrong),
  };
  if (wrong.length > 0) throw new Error(wrong.join('; '));
  return prices;
}

export const builtInPrices: Prices = builtIn;

function readText(
  ...[value, form, field, expected, wrong]: [unknown, RegExp, string, string, string[]]
): string {
  if (typeof value === 'string' && form.test(value)) return value;
  wrong.push(`${field} must be ${expected}`);
  return '';
}

function readRate(value: unknown, field: string, wrong: string[]): Rate {
  const price = (name: keyof Rate): number => {
    const given = isObject(value) ? value[name] : undefined;
    if (typeof given === 'number' && Number.isFinite(given) && given >= 0) return given;
    wrong.push(`${field}.${name} must be a number of at least 0`);
    return 0;
  };
  return { vcpuHour: price('vcpuHour'), gibHour: price('gibHour') };
}

function readQueues(value: unknown, wrong: string[]): Record<string, Rate> {
  if (value === undefined) return {};
  if (!isObject(value)) {
    wrong.push('queues must be an object');
    return {};
  }
  return Object.fromEntries(
    Object.entries(value).map(([queue, rate]): [string, Rate] => {
      if (!isQueueName(queue)) wrong.push(`queues: ${JSON.stringify(queue)} is no queue's name`);
      return [queue, readRate(rate, `queues.${queue}`, wrong)];
    }),
  );
}

/** The prices of a job queue. */
export function rateOf(
  { queues, spot, onDemand }: Prices,
  queue: string,
  { spotQueue }: { spotQueue: string },
): Rate {
  const own = Object.entries(queues).find(([name]) => isSameQueue(name, queue))?.[1];
  if (own) return own;
  return spotQueue !== '' && isSameQueue(spotQueue, queue) ? spot : onDemand;
}

export interface Asked {
  vcpus: number;
  gib: number;
}

/** Per hour. */
export const hourlyCost = ({ vcpus, gib }: Asked, { vcpuHour, gibHour }: Rate): number =>
  vcpus * vcpuHour + gib * gibHour;
