/**
 * This folder holds the dashboards as data: a plan for each in plans/, rows that are long in rows/.
 * `npm run generate` writes Grafana's JSON from them. What every process reports of the whole fleet is
 * read with `max`, and what belongs to a process with `sum`.
 */
import type { Plan } from './panel.ts';
import { batchAndCapacity } from './plans/batch.ts';
import { callCache } from './plans/cache.ts';
import { heavyScatter } from './plans/heavy-scatter.ts';
import { hosts } from './plans/hosts.ts';
import { overview } from './plans/overview.ts';
import { services } from './plans/services.ts';

export const plans: readonly Plan[] = [
  overview,
  heavyScatter,
  batchAndCapacity,
  callCache,
  services,
  hosts,
];
