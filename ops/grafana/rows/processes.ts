import { rate, type Row } from '../panel.ts';

export const processes: Row = {
  title: 'Processes',
  panels: [
    {
      title: 'MySQL and Redis answer',
      unit: 'short',
      width: 8,
      description:
        '1 if the dependency answered the process as a primary at its last scrape, else 0. Read only: ' +
        '1 while its name leads to a replica. Unanswered: statements, commits and waits for a ' +
        'connection that MySQL left without an answer, per second. See BatchwellMysqlAway, ' +
        'BatchwellRedisAway, BatchwellNoPrimary and BatchwellMysqlTimeouts in the runbook.',
      queries: [
        { expression: 'batchwell_dependency_up', legend: '{{job}} {{instance}} {{dependency}}' },
        {
          expression: 'batchwell_dependency_read_only == 1',
          legend: '{{job}} {{instance}} {{dependency}} read only',
        },
        {
          expression: `sum by (what) (${rate('batchwell_database_timeouts_total')})`,
          legend: 'unanswered {{what}}',
        },
      ],
    },
    {
      title: 'Request bodies held',
      unit: 'bytes',
      width: 8,
      description:
        'Bytes of request bodies from their first byte to the reply. Near BATCHWELL_BODY_BYTES, ' +
        'large requests get 503 (per second, right). Send scatters one after another.' +
        ' If clients cannot, raise BATCHWELL_BODY_BYTES.',
      queries: [
        { expression: 'batchwell_body_bytes', legend: '{{instance}}' },
        { expression: rate('batchwell_bodies_refused_total'), legend: '{{instance}} refused/s' },
      ],
    },
    {
      title: 'Event-loop lag, p99',
      unit: 's',
      width: 8,
      description:
        'Seconds that a ready callback waited. If it is above 0.5 for minutes, the process ' +
        'needs more CPU. Start more processes: see BatchwellProcessOverloaded in the runbook.',
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
      width: 8,
      description:
        'Resident bytes, and bytes on the JavaScript heap. A worker should stay below 300 MB. ' +
        'Steady growth over hours is a leak: restart the process, which loses nothing, and ' +
        'report it.',
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
      width: 8,
      description:
        'Cores used. JavaScript runs on one core: a process near 1 is at its limit, and another ' +
        'process helps.' +
        ' If one stays near 1, start another one.',
      queries: [
        { expression: rate('batchwell_process_cpu_seconds_total'), legend: '{{job}} {{instance}}' },
      ],
    },
    {
      title: 'Followed logs',
      unit: 'short',
      width: 8,
      description:
        'Open replies to logs?follow=true by API process. Above 200 the API answers 503. Start ' +
        'another API process.',
      queries: [{ expression: 'batchwell_log_follows', legend: '{{job}} {{instance}}' }],
    },
  ],
};
