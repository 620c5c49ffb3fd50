/** Mean and longest time of each step, as bars on one scale. */
import type { ScatterSteps } from '../../packages/client/client.ts';
import * as format from '../model/format.ts';
import { Empty } from './basics.tsx';

const names: Record<string, string> = {
  'cache-check': 'Cache check',
  'stage-script': 'Script written',
  packing: 'Packed',
  submitting: 'Submitted',
  'in-batch': 'Waited in AWS Batch',
  running: 'Ran',
  finalizing: 'Finalized',
};

export function Steps({ steps }: { steps: ScatterSteps['steps'] }) {
  if (steps.length === 0) return <Empty>No task has passed a step yet.</Empty>;
  const most = Math.max(1, ...steps.map(({ longest_ms: longest }) => longest));
  const slowest = steps.toSorted((one, other) => other.mean_ms - one.mean_ms)[0];
  return (
    <>
      {slowest && (
        <p class="answer">
          {names[slowest.step] ?? slowest.step}: {format.duration(slowest.mean_ms)} on average, the
          longest step.
        </p>
      )}
      <ul class="bars" aria-label="Mean and longest time of each step">
        {steps.map(({ step, mean_ms: mean, longest_ms: longest }) => (
          <li key={step} class={step === slowest?.step ? 'most' : ''}>
            <span class="bar-name">{names[step] ?? step}</span>
            <span class="bar-track" aria-hidden="true">
              <span class="bar faint" style={{ width: `${(longest / most) * 100}%` }} />
              <span class="bar" style={{ width: `${(mean / most) * 100}%` }} />
            </span>
            <span class="bar-value">
              {format.duration(mean)}
              <span class="quiet"> up to {format.duration(longest)}</span>
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
