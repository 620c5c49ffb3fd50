import { expect, it } from 'vitest';
import { builtInPrices, hourlyCost, rateOf, readPrices } from '../../core/cost/prices.ts';
import builtIn from '../../core/cost/prices.json' with { type: 'json' };

it('the built-in price file passes its own check', () => {
  expect(readPrices(JSON.stringify(builtIn))).toEqual(builtInPrices);
});

it('a price file with wrong fields is refused with the name of each', () => {
  const wrong = {
    source: '',
    asOf: 'yesterday',
    currency: 'dollars',
    onDemand: { vcpuHour: -1, gibHour: 0.1 },
    spot: {},
    queues: { 'a queue': { vcpuHour: 1 } },
    extra: 1,
  };
  expect(() => readPrices(JSON.stringify(wrong))).toThrow(
    'extra is not known; source must be 1 to 500 characters; asOf must be a day as YYYY-MM-DD; ' +
      'currency must be a code such as USD; onDemand.vcpuHour must be a number of at least 0; ' +
      'spot.vcpuHour must be a number of at least 0; spot.gibHour must be a number of at least 0; ' +
      `queues: "a queue" is no queue's name; queues.a queue.gibHour must be a number of at least 0`,
  );
  expect(() => readPrices('{')).toThrow('it is not valid JSON');
  expect(() => readPrices('[]')).toThrow('expected a JSON object');
});

it('a queue costs its own price, the price of Spot, or that of On-Demand', () => {
  const own = { vcpuHour: 1, gibHour: 2 };
  const prices = { ...builtInPrices, queues: { gpu: own } };
  expect(rateOf(prices, 'gpu', { spotQueue: 'cheap' })).toBe(own);
  expect(rateOf(prices, 'arn:aws:batch:us-east-1:1:job-queue/cheap', { spotQueue: 'cheap' })).toBe(
    prices.spot,
  );
  expect(rateOf(prices, 'other', { spotQueue: '' })).toBe(prices.onDemand);
  expect(hourlyCost({ vcpus: 4, gib: 8 }, own)).toBe(20);
});
