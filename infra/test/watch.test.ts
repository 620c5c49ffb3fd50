/** What the template watch promises. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { deploy, ofType, propertiesOf } from './world.ts';

const ALL = { ServiceStack: 'service', Email: 'ops@example.org', MonthlyBudgetUsd: '500' };
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

it('Each alarm has a chapter in the runbook, names it, and reaches the topic.', () => {
  const runbook = read('../../docs/runbook.md');
  const alarms = Object.entries(ofType(deploy('watch', ALL), 'AWS::CloudWatch::Alarm'));
  expect(alarms).toHaveLength(7);
  for (const [id, { properties }] of alarms) {
    expect(runbook).toMatch(new RegExp(`^### ${id}$`, 'm'));
    expect(properties['AlarmDescription']).toContain(`docs/runbook.md, ${id}.`);
    expect(properties['AlarmActions']).toEqual(['<Topic>']);
  }
});

it('A host that gives up is counted by the words that it writes.', () => {
  expect(propertiesOf(deploy('watch'), 'GaveUpFilter')['FilterPattern']).toBe(
    '"batchwell-host-gave-up"',
  );
  expect(read('../host/bin/give-up')).toContain('--log "batchwell-host-gave-up: $reason"');
  expect(propertiesOf(deploy('watch'), 'HostsGaveUp')).toMatchObject({
    MetricName: 'HostsGaveUp',
    Statistic: 'Sum',
    Threshold: 0,
  });
});

it('Valkey tells at 70 % of its memory.', () => {
  expect(propertiesOf(deploy('watch', ALL), 'RedisMemory')).toMatchObject({
    MetricName: 'DatabaseMemoryUsagePercentage',
    Threshold: 70,
  });
});

it('Without a service, only the hosts, the events and the queues are watched.', () => {
  const deployed = deploy('watch');
  expect(Object.keys(ofType(deployed, 'AWS::CloudWatch::Alarm'))).toEqual([
    'HostsGaveUp',
    'EventsNotReceived',
  ]);
  expect(ofType(deployed, 'AWS::CloudWatch::Dashboard')).toEqual({});
  expect(ofType(deployed, 'AWS::Budgets::Budget')).toEqual({});
  expect(propertiesOf(deployed, 'QueueBlocked')['EventPattern']).toMatchObject({
    'detail-type': ['Batch Job Queue Blocked'],
  });
});

it('The dashboard is valid JSON with the namespace of the service.', () => {
  const body = JSON.parse(
    String(propertiesOf(deploy('watch', ALL), 'Dashboard')['DashboardBody']),
  ) as { widgets: { properties: { metrics: unknown[][] } }[] };
  expect(body.widgets[0]?.properties.metrics[0]?.[0]).toBe('<import service-MetricsNamespace>');
});

it('A budget without an address is refused.', () => {
  expect(deploy('watch', { MonthlyBudgetUsd: '5' }).refusals).toEqual([
    'MonthlyBudgetUsd needs Email.',
  ]);
});
