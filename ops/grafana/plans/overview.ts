/** The dashboard to open first: its first row says whether the fleet is healthy, and what is behind. */
import { counts, ofOwner, type Panel, type Plan, type Row } from '../panel.ts';
import { BACKLOG, HIT_RATIO } from '../expressions.ts';

const STAT_WIDTH = 3;
const one = (expression: string): Panel['queries'] => [{ expression, legend: '' }];

const now: Row = {
  title: 'Now',
  height: 5,
  panels: [
    {
      title: 'Healthy',
      draw: 'stat',
      unit: 'suffix: firing',
      width: STAT_WIDTH,
      words: { 0: 'yes' },
      thresholds: { yellow: 1 },
      description:
        'How many alerts fire. If it is not "yes", "Alerts that fire" below names them, and the ' +
        'runbook has a chapter for each. Without a value, Prometheus does not reach the fleet.',
      queries: one(
        '(count(ALERTS{alertname=~"Batchwell.+", alertstate="firing"}) or vector(0)) ' +
          'and on () (count(up{job=~"batchwell-.+"} == 1) > 0)',
      ),
    },
    {
      title: 'Running in Batch',
      draw: 'stat',
      unit: 'short',
      width: STAT_WIDTH,
      noValue: '0',
      description:
        'Jobs that AWS Batch runs now. If it is 0 while jobs wait, see BatchwellNothingStarts in ' +
        'the runbook.',
      queries: one('sum(batchwell:batch_jobs:last_seen{status="RUNNING"})'),
    },
    {
      title: 'Waiting in Batch',
      draw: 'stat',
      unit: 'short',
      width: STAT_WIDTH,
      noValue: '0',
      description:
        'Jobs that AWS Batch has and does not run yet. If it stays far above what runs, Batch is ' +
        'the limit and not Batchwell: see the dashboard "Batch and capacity".',
      queries: one(
        'sum(batchwell:batch_jobs:last_seen{status=~"SUBMITTED|PENDING|RUNNABLE|STARTING"})',
      ),
    },
    {
      title: 'Backlog',
      draw: 'stat',
      unit: 'short',
      width: STAT_WIDTH,
      description:
        'Unfinished tasks at all places, those that run included. If it only grows, "Where tasks ' +
        'are" shows the place that holds them up.',
      queries: one(BACKLOG),
    },
    {
      title: 'Time to drain',
      draw: 'stat',
      unit: 's',
      width: STAT_WIDTH,
      noValue: 'nothing ends',
      thresholds: { yellow: 6 * 3600, red: 48 * 3600 },
      description:
        'Backlog divided by the rate at which tasks ended in the last 15 minutes. "nothing ends" ' +
        'with a backlog: the tasks are long, or see BatchwellStageStandsStill and ' +
        'BatchwellNothingStarts in the runbook.',
      queries: one(`${BACKLOG} / (sum(rate(batchwell_tasks_ended_total[15m])) > 0)`),
    },
    {
      title: 'Failed, last hour',
      draw: 'stat',
      unit: 'percentunit',
      decimals: 1,
      width: STAT_WIDTH,
      noValue: 'nothing ended',
      thresholds: { yellow: 0.02, red: 0.1 },
      description:
        'Share of the tasks that ended in the last hour and failed. If it is red, "Failures by ' +
        'owner" shows who and why, and `batchwell status TASK` shows the sentence.',
      queries: one(
        'sum(increase(batchwell_tasks_ended_total{place="failed"}[1h])) / ' +
          '(sum(increase(batchwell_tasks_ended_total[1h])) > 0)',
      ),
    },
    {
      title: 'Hit rate, last hour',
      draw: 'stat',
      unit: 'percentunit',
      decimals: 0,
      width: STAT_WIDTH,
      noValue: 'cache not used',
      description:
        'Share of cache hits among the decisions with the cache on. If a run that should hit does ' +
        'not, `batchwell cache explain TASK` says why; see the dashboard "Call cache".',
      queries: one(HIT_RATIO('1h')),
    },
    {
      title: 'Cost per hour',
      draw: 'stat',
      unit: 'short',
      decimals: 2,
      width: STAT_WIDTH,
      description:
        'Estimate for what runs now, in the currency of the price file (USD unless you set ' +
        'BATCHWELL_PRICE_FILE). If it is higher than expected, "Cost per hour by owner" shows whose ' +
        'tasks run.',
      queries: one('sum(max by (owner) (batchwell_cost_per_hour))'),
    },
  ],
};

const flow: Row = {
  title: 'Flow',
  panels: [
    {
      title: 'Where tasks are',
      unit: 'short',
      width: 8,
      stacked: true,
      description:
        'Unfinished tasks by place. poll: AWS Batch has them. A place that grows while the next ' +
        'one is empty is the bottleneck: add workers with that stage. If poll grows, Batch is the ' +
        'limit.',
      queries: [{ expression: 'max by (place) (batchwell_tasks)', legend: '{{place}}' }],
    },
    {
      title: 'Tasks accepted and ended',
      unit: 'short',
      width: 8,
      draw: 'bars',
      description:
        'Tasks per bar. If none ends while many were accepted, look at "Where tasks are". If none ' +
        'is accepted while callers submit, see BatchwellNoApi and BatchwellMysqlAway in the runbook.',
      queries: [
        {
          expression: `sum(${counts('batchwell_tasks_accepted_total')})`,
          legend: 'accepted',
        },
        {
          expression: `sum by (place) (${counts('batchwell_tasks_ended_total')})`,
          legend: '{{place}}',
        },
      ],
    },
    {
      title: 'Oldest task by place',
      unit: 's',
      width: 8,
      description:
        'How long the task that has been at a place for the longest has been there. Minutes at ' +
        'cache-check, stage-script, submit or finalize: a stage is behind, or AWS denies ' +
        'something (`batchwell status TASK` says so). At poll it is the run time of the longest task.' +
        ' If it rises at one of them, look at its log.',
      queries: [
        { expression: 'max by (place) (batchwell_tasks_oldest_seconds)', legend: '{{place}}' },
      ],
    },
    {
      title: 'Us or Batch: mean time per span',
      unit: 's',
      width: 12,
      stacked: true,
      description:
        'Mean duration of each span of the tasks whose end was seen in the last 10 minutes. ' +
        'submitted-started is the wait in AWS Batch, and started-ended the run itself. All others ' +
        'are Batchwell: if one of them is more than seconds, see BatchwellEndSeenLate and ' +
        'BatchwellOldestMessageTooOld in the runbook.',
      queries: [
        {
          expression:
            'sum by (span) (increase(batchwell_task_span_seconds_sum[10m])) / ' +
            '(sum by (span) (increase(batchwell_task_span_seconds_count[10m])) > 0)',
          legend: '{{span}}',
        },
      ],
    },
    {
      title: 'Alerts that fire',
      unit: 'short',
      width: 12,
      stacked: true,
      description:
        'Each alert that fires, over time. Its chapter in the runbook says what to do. No line: ' +
        'none fires.',
      queries: [
        {
          expression:
            'sum by (alertname, severity) (ALERTS{alertname=~"Batchwell.+", alertstate="firing"})',
          legend: '{{alertname}} ({{severity}})',
        },
      ],
    },
  ],
};

const owners: Row = {
  title: 'Who uses it',
  panels: [
    {
      title: 'Tasks by owner',
      unit: 'short',
      width: 6,
      stacked: true,
      description:
        'Unfinished tasks of the 20 busiest owners, and of all others together. If one owner keeps ' +
        'others waiting, set BATCHWELL_OWNER_LIMITS or a fair-share policy.',
      queries: [
        { expression: `max by (owner) (batchwell_owner_tasks${ofOwner})`, legend: '{{owner}}' },
      ],
    },
    {
      title: 'Running tasks by owner',
      unit: 'short',
      width: 6,
      stacked: true,
      description:
        'Tasks of each owner that AWS Batch runs, by the last look at its queues. If an owner with ' +
        'many tasks has none, look at its limit (BATCHWELL_OWNER_LIMITS) and its share.',
      queries: [
        {
          expression: `max by (owner) (batchwell_owner_running_tasks${ofOwner})`,
          legend: '{{owner}}',
        },
      ],
    },
    {
      title: 'vCPUs in use by owner',
      unit: 'short',
      width: 6,
      stacked: true,
      description:
        'vCPUs that the running tasks of each owner asked for, by the last look at Batch. If it is ' +
        'flat at the maximum of the compute environment, all of it is in use.',
      queries: [
        {
          expression: `max by (owner) (batchwell_owner_running_vcpus${ofOwner})`,
          legend: '{{owner}}',
        },
      ],
    },
    {
      title: 'Cost per hour by owner',
      softMax: 0.01,
      unit: 'short',
      decimals: 2,
      width: 6,
      stacked: true,
      description:
        'Estimated cost per hour of what runs, by the price file. docs/metrics.md says what it ' +
        'leaves out. If it is wrong by a factor, set your own prices in BATCHWELL_PRICE_FILE.',
      queries: [
        { expression: `max by (owner) (batchwell_cost_per_hour${ofOwner})`, legend: '{{owner}}' },
      ],
    },
    {
      title: 'Failures by owner',
      unit: 'short',
      width: 8,
      draw: 'bars',
      description:
        'Failed tasks per bar. One owner with executor-failed: the owner’s own command or data. ' +
        'Several owners with one reason: the installation. See BatchwellFailuresJump in the runbook.',
      queries: [
        {
          expression: `sum by (owner, reason) (${counts('batchwell_owner_failures_total', ofOwner)})`,
          legend: '{{owner}} {{reason}}',
        },
      ],
    },
    {
      title: 'vCPU-hours per hour, by owner',
      softMax: 0.01,
      unit: 'short',
      decimals: 1,
      width: 8,
      stacked: true,
      description:
        'vCPU time of attempts that ended within the last hour. A long task counts when it ends. If ' +
        'it is far above "vCPUs in use by owner", tasks are retried: see "Retried attempts".',
      queries: [
        {
          expression: `sum by (owner) (increase(batchwell_owner_vcpu_seconds_total${ofOwner}[1h])) / 3600`,
          legend: '{{owner}}',
        },
      ],
    },
    {
      title: 'Cost of ended attempts, last 24 hours',
      softMax: 0.01,
      unit: 'short',
      decimals: 2,
      width: 8,
      stacked: true,
      description:
        'Estimate by the price file. If an owner’s share is not what you expect, look at the ' +
        'resources that its tasks ask for.',
      queries: [
        {
          expression: `sum by (owner) (increase(batchwell_cost_total${ofOwner}[24h]))`,
          legend: '{{owner}}',
        },
      ],
    },
  ],
};

const builds: Row = {
  title: 'Versions and prices',
  collapsed: true,
  panels: [
    {
      title: 'Processes by version',
      unit: 'short',
      width: 12,
      stacked: true,
      description:
        'During an upgrade there are two versions. If the old one stays, a process was not ' +
        'restarted.',
      queries: [
        {
          expression: 'count by (job, version, node) (batchwell_build_info)',
          legend: '{{job}} {{version}} on Node.js {{node}}',
        },
      ],
    },
    {
      title: 'Prices in use',
      softMax: 0.01,
      unit: 'short',
      decimals: 4,
      width: 12,
      description:
        'On-Demand price of a vCPU and of a GiB per hour, and the day it was read. If the day is ' +
        'old, write a new file: docs/metrics.md.',
      queries: [
        {
          expression: 'max by (of, currency, as_of) (batchwell_price_per_hour)',
          legend: '{{of}} ({{currency}}, {{as_of}})',
        },
      ],
    },
  ],
};

export const overview: Plan = {
  uid: 'batchwell-overview',
  title: 'Batchwell: Overview',
  description: 'Is it healthy, what is behind, who uses it, what does it cost.',
  variables: ['owner'],
  rows: [now, flow, owners, builds],
};
