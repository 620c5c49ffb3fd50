/** Scatters with their progress, which moves while they run. */
import { useEffect, useState } from 'preact/hooks';
import type { ScatterReply } from '../../packages/client/client.ts';
import { useNow, useRead, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { addSample, endedOf, paceOf, type Sample } from '../model/progress.ts';
import { scatterHref } from '../model/route.ts';
import { Empty, Legend, Loading, Progress, TableBox, Trouble } from './basics.tsx';

type Head = Pick<ScatterReply, 'id' | 'name' | 'size' | 'created'>;
interface Heads {
  scatters: Head[];
  next_page_token?: string;
}

const LIST_MS = 5000;
const COUNT_MS = 3000;

interface ScatterRowsProps {
  most: number;
  token?: string | undefined;
  onNext?(token: string | undefined): void;
}

export function ScatterRows({ most, token, onNext }: ScatterRowsProps) {
  const { service } = useShared();
  const path = `/v1/scatters?page_size=${most}${token === undefined ? '' : `&page_token=${token}`}`;
  const { data, error } = useRead<Heads>(path, (signal) => service.get(path, signal), LIST_MS);
  const next = data?.next_page_token;
  useEffect(() => onNext?.(next), [next, onNext]);
  const now = useNow();
  if (!data) return error === undefined ? <Loading /> : <Trouble error={error} />;
  if (data.scatters.length === 0)
    return (
      <Empty>
        No scatter yet. Submit one with <code>batchwell submit</code>, or POST to{' '}
        <code>/v1/scatters</code>.
      </Empty>
    );
  return (
    <>
      <Trouble error={error} />
      <TableBox label="Scatters">
        <table class="scatters">
          <thead>
            <tr>
              <th scope="col">Scatter</th>
              <th scope="col" class="number">
                Tasks
              </th>
              <th scope="col">Progress</th>
              <th scope="col" class="number">
                Rate
              </th>
              <th scope="col" class="number">
                Submitted
              </th>
            </tr>
          </thead>
          <tbody>
            {data.scatters.map((head) => (
              <ScatterRow key={head.id} head={head} nowMs={now} />
            ))}
          </tbody>
        </table>
      </TableBox>
    </>
  );
}

function ScatterRow({ head, nowMs }: { head: Head; nowMs: number }) {
  const { service } = useShared();
  const [ended, setEnded] = useState(false);
  const [samples, setSamples] = useState<Sample[]>([]);
  const path = `/v1/scatters/${encodeURIComponent(head.id)}`;
  // A scatter that has ended is read once.
  const { data } = useRead<ScatterReply>(
    path,
    (signal) => service.get(path, signal),
    ended ? 0 : COUNT_MS,
  );
  useEffect(() => {
    if (!data) return;
    setSamples((before) => addSample(before, { atMs: Date.now(), ended: endedOf(data) }));
    if (data.ended) setEnded(true);
  }, [data]);
  const pace = data && !data.ended ? paceOf(samples, data.size) : undefined;
  return (
    <tr>
      <th scope="row">
        <a href={scatterHref(head.id)}>{head.name || head.id}</a>
        {head.name !== '' && <div class="quiet mono">{head.id}</div>}
      </th>
      <td class="number">{format.count(head.size)}</td>
      <td class="progress-cell">
        {data ? (
          <>
            <Progress scatter={data} />
            <Legend scatter={data} />
          </>
        ) : (
          <span class="quiet">…</span>
        )}
      </td>
      <td class="number">
        {pace && pace.perMinute > 0 ? (
          <>
            {format.rate(pace.perMinute)}
            {pace.leftMs !== undefined && (
              <div class="quiet">{format.duration(pace.leftMs)} left</div>
            )}
          </>
        ) : (
          <span class="quiet">{data?.ended ? 'ended' : '–'}</span>
        )}
      </td>
      <td class="number">{format.ago(head.created, nowMs)}</td>
    </tr>
  );
}
