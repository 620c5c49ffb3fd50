/** What the template watch promises. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { diskMetrics } from '../../packages/disk/host/metrics.ts';
import { emptyJournal } from '../../packages/disk/rules/journal.ts';
import { deploy, ofType, propertiesOf } from './world.ts';

const ALL = { ServiceStack: 'service', Email: 'ops@example.org', MonthlyBudgetUsd: '500' };
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

it('Each alarm has a chapter in the runbook, names it, and reaches the topic.', () => {
  const runbook = read('../../docs/runbook.md');
  const alarms = Object.entries(ofType(deploy('watch', ALL), 'AWS::CloudWatch::Alarm'));
  expect(alarms).toHaveLength(10);
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

it('The alarms of disks are of the metrics that the daemon writes, in the namespace of core.', () => {
  const { counts } = emptyJournal('i-1');
  const fileSystem = { sizeBytes: 100, freeBytes: 50, inodes: 1, freeInodes: 1 };
  const line = JSON.parse(
    diskMetrics('batchwell', counts).lineOf(fileSystem, counts, 0) ?? '{}',
  ) as {
    _aws: { CloudWatchMetrics: { Namespace: string; Metrics: { Name: string }[] }[] };
  };
  const [written] = line._aws.CloudWatchMetrics;
  for (const id of ['DiskGaveUp', 'TasksHeld']) {
    const { Namespace, MetricName } = propertiesOf(deploy('watch'), id);
    expect(written?.Namespace).toBe(Namespace);
    expect(written?.Metrics.map(({ Name }) => Name)).toContain(MetricName);
  }
});

it('Volumes that no host uses are counted each hour by the tag of hosts, without code of ours.', () => {
  const deployed = deploy('watch');
  const { States: states } = JSON.parse(
    String(propertiesOf(deployed, 'Volumes')['DefinitionString']),
  ) as {
    States: Record<string, { Arguments: Record<string, unknown> }>;
  };
  expect(states['Look']?.Arguments['Filters']).toContainEqual({
    Name: 'tag:batchwell:disk',
    Values: ['batchwell'],
  });
  expect(states['Tell']?.Arguments).toMatchObject({
    Namespace: 'Batchwell/batchwell',
    MetricData: [{ MetricName: propertiesOf(deployed, 'UnusedVolumes')['MetricName'] }],
  });
  expect(propertiesOf(deployed, 'UnusedVolumes')['AlarmDescription']).toContain(
    'batchwell-disk sweep',
  );
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
    'DiskGaveUp',
    'TasksHeld',
    'UnusedVolumes',
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
