/**
 * The disks that grow with their tasks. The hosts write these metrics to CloudWatch (the disk daemon,
 * packages/disk), so this dashboard asks CloudWatch and not Prometheus.
 */
import type { CloudwatchQuery, Panel, Plan } from '../panel.ts';

const ask = (metric: string, statistic: string, legend: string): CloudwatchQuery => ({
  metric,
  statistic,
  legend,
});

type Described = Pick<Panel, 'title' | 'description' | 'unit' | 'draw' | 'thresholds'>;

const panel = (described: Described, cloudwatch: readonly CloudwatchQuery[]): Panel => ({
  width: 8,
  queries: [],
  ...described,
  cloudwatch,
});

const disks: Panel[] = [
  panel(
    {
      title: 'Used on the fullest host',
      unit: 'bytes',
      description:
        'The largest use of a disk, beside the largest disk. If both lines meet and the disk does ' +
        'not grow, it has its full size: look at "Give-ups", and raise the largest size of the disk.',
    },
    [ask('DiskUsedBytes', 'Maximum', 'most used'), ask('DiskSizeBytes', 'Maximum', 'largest disk')],
  ),
  panel(
    {
      title: 'Mean use and size',
      unit: 'bytes',
      description:
        'Mean of all hosts. If the size is far above the use, disks grow earlier than they need to: ' +
        'look at their policy, since the size costs money.',
    },
    [ask('DiskUsedBytes', 'Average', 'used'), ask('DiskSizeBytes', 'Average', 'size')],
  ),
  panel(
    {
      title: 'Growths',
      unit: 'short',
      draw: 'bars',
      description:
        'How many times disks grew. Many small growths of one host: tasks write faster than it ' +
        'grows, so raise the step. None while disks are full: look at "Give-ups".',
    },
    [ask('DiskGrowths', 'Sum', 'growths')],
  ),
  panel(
    {
      title: 'Braked time',
      unit: 's',
      draw: 'bars',
      description:
        'Seconds in which writers were slowed down until their disk had grown. If it is minutes, ' +
        'tasks lose time: raise the step or the first size of the disks.',
    },
    [ask('DiskBrakeSeconds', 'Sum', 'braked')],
  ),
  panel(
    {
      title: 'Give-ups',
      unit: 'short',
      draw: 'bars',
      description:
        'How many times a disk could not grow. Tasks on that host may fail with disk-full. If it is ' +
        'not 0, look at the log of the host: a limit of EBS, a permission, or the largest size.',
    },
    [ask('DiskGiveUps', 'Sum', 'give-ups')],
  ),
  panel(
    {
      title: 'Calls to EC2',
      unit: 'short',
      draw: 'bars',
      description:
        'Requests that the hosts make to EC2 for their disks. If they rise without growths, EC2 ' +
        'throttles or denies: look at the log of the hosts.',
    },
    [ask('DiskCalls', 'Sum', 'calls')],
  ),
];

export const hosts: Plan = {
  uid: 'batchwell-hosts',
  title: "Batchwell: Hosts' disks",
  description: 'How full the disks of the hosts are, and whether they grow in time.',
  variables: [],
  rows: [{ title: 'Disks', panels: disks }],
};
