/** PromQL that several dashboards share. */

/** Unfinished tasks. Workers that do not count the fleet report 0. */
export const BACKLOG = 'sum(max by (place) (batchwell_tasks))';

export const HIT_RATIO = (over: string): string =>
  `sum(increase(batchwell_cache_lookups_total{result="hit"}[${over}])) / ` +
  `(sum(increase(batchwell_cache_lookups_total{result=~"hit|miss|unreadable-input|image-not-resolved"}[${over}])) > 0)`;
