import type { Registry } from 'prom-client';
import { stages } from '../../core/places.ts';
import { gauge, withLabel } from '../series.ts';

/** What a process does for each stage. */
export const stageMetrics = (registers: Registry[]) => ({
  stageActive: gauge({
    name: 'batchwell_stage_active_messages',
    help: 'Messages that this process works on.',
    labels: ['stage'],
    startsAt: withLabel('stage', stages),
    registers,
  }),
  stageConcurrency: gauge({
    name: 'batchwell_stage_concurrency',
    help: 'Messages that this process works on at once at most; 0 for a stage that it does not run, and while it is drained.',
    labels: ['stage'],
    startsAt: withLabel('stage', stages),
    registers,
  }),
  stageWorkers: gauge({
    name: 'batchwell_stage_workers',
    help: '1 for each stage whose messages this process takes, 0 while it is drained. The sum says how many workers a stage has.',
    labels: ['stage'],
    startsAt: withLabel('stage', stages),
    registers,
  }),
  stagePaused: gauge({
    name: 'batchwell_stage_paused',
    help: '1 while an operator has paused the stage. Every worker says the same.',
    labels: ['stage'],
    startsAt: withLabel('stage', stages),
    registers,
  }),
});
