import { rate, type Row } from '../panel.ts';

export const processes: Row = {
  title: 'Processes',
  panels: [
    {
      title: 'MySQL and Redis answer',
      unit: 'short',
      width: 6,
      description:
        '1 when they answered the process at its last scrape, else 0: runbook, BatchwellMysqlAway and BatchwellRedisAway.',
      queries: [
        { expression: 'batchwell_dependency_up', legend: '{{job}} {{instance}} {{dependency}}' },
      ],
    },
    {
      title: 'Event-loop lag, p99',
      unit: 's',
      width: 6,
      description:
        'Seconds a ready callback waited. Above 0.5 for minutes: the process is short of CPU; start more of them: runbook, BatchwellProcessOverloaded.',
      queries: [
        {
          expression: 'batchwell_nodejs_eventloop_lag_p99_seconds',
          legend: '{{job}} {{instance}}',
        },
      ],
    },
    {
      title: 'Memory',
      unit: 'bytes',
      width: 6,
      description:
        'Resident bytes, and those on the JavaScript heap. A worker should stay below 300 MB; steady growth over hours is a leak: restart it (nothing is lost) and report it.',
      queries: [
        {
          expression: 'batchwell_process_resident_memory_bytes',
          legend: '{{job}} {{instance}} resident',
        },
        {
          expression: 'batchwell_nodejs_heap_size_used_bytes',
          legend: '{{job}} {{instance}} heap',
        },
      ],
    },
    {
      title: 'CPU',
      unit: 'short',
      width: 6,
      description:
        'Cores used. JavaScript runs on one: a process near 1 is at its limit, and another one helps.',
      queries: [
        { expression: rate('batchwell_process_cpu_seconds_total'), legend: '{{job}} {{instance}}' },
      ],
    },
    {
      title: 'Logs followed',
      unit: 'short',
      width: 6,
      description:
        'Replies to logs?follow=true that are open, by process of the API. One more than 200 is refused with 503: start another process of the API.',
      queries: [{ expression: 'batchwell_log_follows', legend: '{{job}} {{instance}}' }],
    },
  ],
};
