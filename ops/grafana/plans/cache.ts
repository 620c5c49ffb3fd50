/** What the call cache decides and saves. */
import type { Plan, Row } from '../panel.ts';
import { HIT_RATIO } from '../expressions.ts';
import { cache, cacheUpkeep } from '../rows/cache.ts';

const price = (of: string): string => `scalar(max(batchwell_price_per_hour{of="${of}"}))`;

const saved: Row = {
  title: 'What it saved',
  height: 5,
  panels: [
    {
      title: 'Hit rate, last 24 hours',
      draw: 'stat',
      unit: 'percentunit',
      decimals: 0,
      width: 6,
      noValue: 'not used',
      description:
        'Share of hits among the decisions with the cache on. If a run that should hit does not, ' +
        '`batchwell cache explain TASK` says why.',
      queries: [{ expression: HIT_RATIO('24h'), legend: '' }],
    },
    {
      title: 'vCPU-hours saved, last 24 hours',
      draw: 'stat',
      unit: 'short',
      decimals: 1,
      width: 6,
      description:
        'What the runs would have taken that hits replaced. If it is 0 with many hits, the cached ' +
        'tasks are short. `batchwell cache stats` shows it by task name.',
      queries: [
        {
          expression: 'sum(increase(batchwell_cache_saved_vcpu_seconds_total[24h])) / 3600',
          legend: '',
        },
      ],
    },
    {
      title: 'Saved, last 24 hours',
      draw: 'stat',
      unit: 'short',
      decimals: 2,
      width: 6,
      description:
        'The same at On-Demand prices, in the currency of the price file. If it seems wrong, look at ' +
        '"Prices in use" on the Overview.',
      queries: [
        {
          expression:
            `sum(increase(batchwell_cache_saved_vcpu_seconds_total[24h])) / 3600 * ${price('vcpu')} + ` +
            `sum(increase(batchwell_cache_saved_gib_seconds_total[24h])) / 3600 * ${price('gib')}`,
          legend: '',
        },
      ],
    },
    {
      title: 'Hits, last 24 hours',
      draw: 'stat',
      unit: 'short',
      decimals: 0,
      width: 6,
      description:
        'Tasks that did not run because their outputs were known. If it is 0, is the cache on ' +
        '(BATCHWELL_CACHE, or `cache` of the tasks)?',
      queries: [
        {
          expression: 'sum(increase(batchwell_cache_lookups_total{result="hit"}[24h]))',
          legend: '',
        },
      ],
    },
  ],
};

export const callCache: Plan = {
  uid: 'batchwell-cache',
  title: 'Batchwell: Call cache',
  description: 'What the call cache decides, and what it saves.',
  variables: [],
  rows: [saved, cache, cacheUpkeep],
};
