import type { Registry } from 'prom-client';
import { stages } from '../../core/places.ts';
import { counter, pairs, withLabel } from '../series.ts';

export const isolationMetrics = (registers: Registry[]) => ({
  chunksSplit: counter({
    name: 'batchwell_chunks_split_total',
    help: 'Messages that were split because the stage threw for some of their tasks.',
    labels: ['stage'],
    startsAt: withLabel('stage', stages),
    registers,
  }),
  isolated: counter({
    name: 'batchwell_isolated_tasks_total',
    help:
      'Tasks for which a stage threw on every try: failed, or held because the error may concern ' +
      'all tasks.',
    labels: ['stage', 'outcome'],
    startsAt: pairs(withLabel('stage', stages), withLabel('outcome', ['failed', 'held'])),
    registers,
  }),
});
