import type { Registry } from 'prom-client';
import { stages } from '../../core/places.ts';
import {
  counter,
  DURATION_BUCKETS_S,
  withLabel,
  gauge,
  histogram,
  pairs,
  WAIT_BUCKETS_S,
} from '../series.ts';

const messageOutcomes = ['done', 'wait', 'error'] as const;
/** What may be of a newer version: a message, or the result record of an attempt. */
const newerKinds = ['message', 'record'] as const;
/** `overdue`: delayed, although its time has come. A worker of the stage would have taken it. */
const messageStates = ['waiting', 'delayed', 'overdue', 'active', 'failed'] as const;

/** What the sweeper finds: tasks by the stage in which they made no progress, and submissions. */
const sweptKinds = [...stages, 'submission'] as const;

export const queueMetrics = (registers: Registry[]) => ({
  messages: counter({
    name: 'batchwell_messages_total',
    help: 'Queue messages processed, by outcome.',
    labels: ['stage', 'outcome'],
    startsAt: pairs(withLabel('stage', stages), withLabel('outcome', messageOutcomes)),
    registers,
  }),
  newerForms: counter({
    name: 'batchwell_newer_forms_total',
    help: 'How many times a worker met what only a newer version of Batchwell can read, and left it.',
    labels: ['of'],
    startsAt: withLabel('of', newerKinds),
    registers,
  }),
  messageSeconds: histogram({
    name: 'batchwell_message_seconds',
    help: 'Time that a stage took to process one message.',
    labels: ['stage'],
    buckets: DURATION_BUCKETS_S,
    registers,
  }),
  messageWaitSeconds: histogram({
    name: 'batchwell_message_wait_seconds',
    help:
      'Time that a message waited in its queue until a worker first took it, without a ' +
      'requested delay.',
    labels: ['stage'],
    buckets: WAIT_BUCKETS_S,
    registers,
  }),
  queueDepth: gauge({
    name: 'batchwell_queue_messages',
    help: 'Messages in a queue, by state.',
    labels: ['stage', 'state'],
    startsAt: pairs(withLabel('stage', stages), withLabel('state', messageStates)),
    registers,
  }),
  queueOldestSeconds: gauge({
    name: 'batchwell_queue_oldest_seconds',
    help:
      'How long the first waiting message has waited. For a message that was taken before, the ' +
      'time since then.',
    labels: ['stage'],
    startsAt: withLabel('stage', stages),
    registers,
  }),
  swept: counter({
    name: 'batchwell_swept_rows_total',
    help:
      'Rows without progress for which the sweeper sent a new message: tasks by stage, and ' +
      'submissions.',
    labels: ['what'],
    startsAt: withLabel('what', sweptKinds),
    registers,
  }),
});
