/** What failed lately, by reason. */
import { useState } from 'preact/hooks';
import type { FailureList } from '../../packages/client/client.ts';
import { useRead, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { Card, Heading, Loading, Trouble } from '../parts/basics.tsx';
import { FailureGroups } from '../parts/failure-groups.tsx';

const EVERY_MS = 10_000;
const PERIODS: [hours: number, label: string][] = [
  [1, 'hour'],
  [24, 'day'],
  [168, 'week'],
  [720, '30 days'],
];

export function Failures() {
  const { service } = useShared();
  const [hours, setHours] = useState(24);
  const path = `/v1/failures?hours=${hours}`;
  const { data, error } = useRead<FailureList>(
    path,
    (signal) => service.get(path, signal),
    EVERY_MS,
  );
  return (
    <>
      <Heading>Failures</Heading>
      <Card
        title={data ? `${format.tasks(data.failed)} failed` : 'Failed tasks'}
        actions={
          <label>
            In the last{' '}
            <select
              value={String(hours)}
              onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}
            >
              {PERIODS.map(([value, label]) => (
                <option key={value} value={String(value)}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        }
      >
        <Trouble error={error} />
        {!data && !error && <Loading />}
        {data && <FailureGroups failures={data} />}
        <p class="quiet">Open a scatter to retry its failed tasks together.</p>
      </Card>
    </>
  );
}
