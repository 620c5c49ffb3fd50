/** What the metrics say of a fleet that works: of its tasks, its owners, its stages and its cost. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isLong } from '../long.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({ BATCHWELL_FLEET_COUNT_MS: '500' });
});
afterEach(() => world.close());

const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

/** The value of a series; undefined where there is none. */
const valueOf = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

it.runIf(isLong)(
  'one of two workers counts the fleet, and the other one takes over without leaving old counts',
  async () => {
    const { promise: go, resolve: end } = Promise.withResolvers<void>();
    world.behave(() => ({ until: go, durationMs: 100 }));
    const one = await world.startWorkers();
    const two = await world.startWorkers({ stages: ['finalize'] });
    const ids = await world.accept(
      manyTasks(6, (at) => newTask(`t${at}`)),
      'wide',
    );
    const urls = [one.metricsUrl, two.metricsUrl];
    const texts = () => Promise.all(urls.map(textOf));
    const most = (all: readonly string[], series: string): number =>
      Math.max(...all.map((text) => valueOf(text, series) ?? 0));

    await world.until('six running tasks', async () => {
      const all = await texts();
      return (
        most(all, 'batchwell_tasks{place="poll"}') === 6 &&
        most(all, 'batchwell_owner_running_tasks{owner="tester"}') === 6
      );
    });
    const all = await texts();
    expect(most(all, 'batchwell_owner_tasks{owner="tester"}')).toBe(6);
    expect(most(all, 'batchwell_owner_running_vcpus{owner="tester"}')).toBe(6);
    expect(most(all, 'batchwell_cost_per_hour{owner="tester"}')).toBeGreaterThan(0.2);
    expect(most(all, 'batchwell_tasks_oldest_seconds{place="poll"}')).toBeGreaterThan(0);
    expect(most(all, 'batchwell_redis_memory_bytes{what="used"}')).toBeGreaterThan(500_000);
    const counts = all.filter((text) => valueOf(text, 'batchwell_fleet_counted_timestamp_seconds'));
    expect(counts).toHaveLength(1);
    const [first = ''] = all;
    expect(valueOf(first, 'batchwell_stage_workers{stage="submit"}')).toBe(1);
    expect(valueOf(all[1] ?? '', 'batchwell_stage_workers{stage="submit"}')).toBe(0);
    expect(valueOf(first, 'batchwell_stage_concurrency{stage="poll"}')).toBeGreaterThan(0);
    expect(valueOf(first, 'batchwell_database_connections_limit')).toBe(6);

    end();
    await world.ended(ids);
    await world.until('what they used', async () => {
      const now = await texts();
      const sum = (series: string): number =>
        now.reduce((total, text) => total + (valueOf(text, series) ?? 0), 0);
      return (
        sum('batchwell_owner_vcpu_seconds_total{owner="tester"}') > 0 &&
        sum('batchwell_cost_total{owner="tester"}') > 0
      );
    });
    const spans = await textOf(one.metricsUrl);
    for (const span of ['accepted-submitted', 'submitted-started', 'started-ended', 'ended-seen'])
      expect(valueOf(spans, `batchwell_task_span_seconds_count{span="${span}"}`)).toBe(6);

    const holder =
      (valueOf(first, 'batchwell_fleet_counted_timestamp_seconds') ?? 0) > 0 ? one : two;
    const other = holder === one ? two : one;
    await holder.close();
    await world.until('the other worker counts', async () => {
      const text = await textOf(other.metricsUrl);
      return (valueOf(text, 'batchwell_fleet_counted_timestamp_seconds') ?? 0) > 0;
    });
  },
);

it('failures are counted by owner and reason', async () => {
  world.behave(() => ({ exitCode: 3 }));
  const { metricsUrl } = await world.startWorkers();
  await world.ended(await world.accept([newTask('one'), newTask('two')]));
  let failures = 0;
  await world.until('its failures', async () => {
    const text = await textOf(metricsUrl);
    const series = 'batchwell_owner_failures_total{owner="tester",reason="executor-failed"}';
    const other = 'batchwell_owner_failures_total{owner="other",reason="executor-failed"}';
    failures = (valueOf(text, series) ?? 0) + (valueOf(text, other) ?? 0);
    return failures >= 2;
  });
  expect(failures).toBe(2);
});
