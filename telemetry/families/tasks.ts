import type { Registry } from 'prom-client';
import { endPlaces, moves, stages } from '../../core/places.ts';
import { failureKinds } from '../../core/retry/failures.ts';
import { retryReasons } from '../../core/retry/decide-retry.ts';
import { counter, withLabel } from '../series.ts';

const acceptedKinds = ['single', 'scatter'] as const;

const legalMoves = Object.entries(moves).flatMap(([move, { from }]) =>
  from.map((stage) => ({ stage, move })),
);

export const taskMetrics = (registers: Registry[]) => ({
  tasksAccepted: counter({
    name: 'batchwell_tasks_accepted_total',
    help: 'Tasks that the API committed, by whether they came alone or in a scatter.',
    labels: ['kind'],
    startsAt: withLabel('kind', acceptedKinds),
    registers,
  }),
  stageEntered: counter({
    name: 'batchwell_stage_entered_tasks_total',
    help: 'Tasks that entered a stage.',
    labels: ['stage'],
    startsAt: withLabel('stage', stages),
    registers,
  }),
  stageMoved: counter({
    name: 'batchwell_stage_moved_tasks_total',
    help: 'Tasks that left a stage, by the move they made.',
    labels: ['stage', 'move'],
    startsAt: legalMoves,
    registers,
  }),
  tasksEnded: counter({
    name: 'batchwell_tasks_ended_total',
    help: 'Tasks that ended, by the place where they ended.',
    labels: ['place'],
    startsAt: withLabel('place', endPlaces),
    registers,
  }),
  failures: counter({
    name: 'batchwell_failures_total',
    help: 'Failed tasks, by reason.',
    labels: ['reason'],
    startsAt: withLabel('reason', Object.keys(failureKinds)),
    registers,
  }),
  retries: counter({
    name: 'batchwell_retries_total',
    help: 'Retried attempts, by reason.',
    labels: ['reason'],
    startsAt: withLabel('reason', retryReasons),
    registers,
  }),
  onDemandMoves: counter({
    name: 'batchwell_on_demand_moves_total',
    help: 'Tasks that lost their Spot hosts and went on in a job queue with On-Demand hosts.',
    registers,
  }),
});
