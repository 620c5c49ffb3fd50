import { ofStage, percentiles, counts, type Row } from '../panel.ts';

export const queues: Row = {
  title: 'Queues',
  panels: [
    {
      title: 'Queue depth',
      unit: 'short',
      width: 6,
      description:
        'Messages that wait, are overdue, or failed, by stage. One message carries up to BATCHWELL_CHUNK_SIZE tasks. If ' +
        '`waiting` only grows, see BatchwellStageStandsStill in the runbook. If `failed` is ' +
        'above 0, the queue board shows the error: see BatchwellMessagesLaidAside.',
      queries: [
        {
          expression:
            'sum by (stage) (max by (stage, state) (batchwell_queue_messages{stage=~"$stage", state=~"waiting|overdue"}))',
          legend: '{{stage}}',
        },
        {
          expression: 'sum(max by (stage) (batchwell_queue_messages{state="failed"}))',
          legend: 'failed, all stages',
        },
      ],
    },
    {
      title: 'Oldest waiting message',
      unit: 's',
      width: 6,
      description:
        'Seconds that the first message of each queue has waited. If it is minutes, see ' +
        'BatchwellOldestMessageTooOld in the runbook.',
      queries: [
        {
          expression: `max by (stage) (batchwell_queue_oldest_seconds${ofStage})`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Paused stages',
      unit: 'short',
      width: 6,
      thresholds: { yellow: 1 },
      description:
        '1 while an operator has paused a stage: its tasks wait. Resume it with `batchwell resume ' +
        'STAGE` or on the page. See BatchwellStagePaused in the runbook.',
      queries: [
        {
          expression: `max by (stage) (batchwell_stage_paused${ofStage})`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Left to a newer version',
      unit: 'short',
      draw: 'bars',
      width: 6,
      description:
        'Messages and result records that only a newer version of Batchwell can read. Normal for ' +
        'minutes of an upgrade. Else see BatchwellNewerForms in the runbook.',
      queries: [
        {
          expression: `sum by (of) (${counts('batchwell_newer_forms_total')})`,
          legend: '{{of}}',
        },
      ],
    },
    {
      title: 'Wait in the queue',
      unit: 's',
      width: 12,
      description:
        'Seconds until a worker first took a message. If it is high with idle CPUs, raise ' +
        '--concurrency. If it is high with busy CPUs, add workers for that stage.',
      queries: percentiles('batchwell_message_wait_seconds', 'stage', ofStage),
    },
    {
      title: 'Time to process a message',
      unit: 's',
      width: 12,
      description:
        'Seconds that a stage took to process one message. A rise in every stage points to ' +
        'MySQL, in stage-script and cache-check to S3, in submit and poll to Batch. Compare it ' +
        'with the latencies of AWS below.',
      queries: percentiles('batchwell_message_seconds', 'stage', ofStage),
    },
    {
      title: 'Messages by outcome',
      unit: 'short',
      draw: 'bars',
      width: 12,
      description:
        'Messages. `wait` is normal for poll and submit, which look again later. ' +
        '`error` is not: see BatchwellMessagesFailing in the runbook.',
      queries: [
        {
          expression: `sum by (stage, outcome) (${counts('batchwell_messages_total', ofStage)})`,
          legend: '{{stage}} {{outcome}}',
        },
      ],
    },
    {
      title: 'Rows nudged by the sweeper',
      unit: 'short',
      draw: 'bars',
      width: 12,
      description:
        'Rows that made no progress for BATCHWELL_STALL_MS. This is normal at ' +
        'cache-check, where equal calls wait for each other. At other stages messages were ' +
        'lost, or a stage is far behind: see BatchwellSweeperNudgesMuch in the runbook.',
      queries: [
        {
          expression: `sum by (what) (${counts('batchwell_swept_rows_total')})`,
          legend: '{{what}}',
        },
      ],
    },
    {
      title: 'Tasks isolated',
      unit: 'short',
      draw: 'bars',
      width: 12,
      description:
        'Messages that were split because a stage threw for some of their tasks, and ' +
        'tasks that failed alone or are held. See BatchwellTasksHeld in the runbook.',
      queries: [
        {
          expression: `sum by (stage) (${counts('batchwell_chunks_split_total')})`,
          legend: '{{stage}} split',
        },
        {
          expression: `sum by (stage, outcome) (${counts('batchwell_isolated_tasks_total')})`,
          legend: '{{stage}} {{outcome}}',
        },
      ],
    },
  ],
};
