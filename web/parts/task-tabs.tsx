/** What a task ran, read, wrote and used, and what the cache said. */
import type { CacheExplanation, TesTaskFull } from '../../packages/client/client.ts';
import { finalLog } from '../../packages/client/final-log.ts';
import { useRead, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { taskHref } from '../model/route.ts';
import { resourceRows } from '../model/used.ts';
import { Card, Empty, Loading, TableBox, Trouble } from './basics.tsx';

export function TaskResources({ task }: { task: TesTaskFull }) {
  return (
    <table class="small resources">
      <thead>
        <tr>
          <th scope="col">Resource</th>
          <th scope="col">Asked</th>
          <th scope="col">Used</th>
          <th scope="col">Share</th>
        </tr>
      </thead>
      <tbody>
        {resourceRows(task).map(({ what, asked, used, share }) => (
          <tr key={what}>
            <th scope="row">{what}</th>
            <td>{asked}</td>
            <td>{used}</td>
            <td>
              {share !== undefined && (
                <span class="share">
                  <span class="bar-track" aria-hidden="true">
                    <span class="bar" style={{ width: `${Math.min(100, share * 100)}%` }} />
                  </span>
                  {format.percent(share, 1)}
                </span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function TaskScript({ id }: { id: string }) {
  const { service } = useShared();
  const { data, error } = useRead(`script ${id}`, (signal) =>
    service.client.script(id, { signal }),
  );
  return (
    <Card title="The script that the task runs">
      <Trouble error={error} />
      {data === undefined && error === undefined && <Loading />}
      {data !== undefined && (
        <pre class="code" tabIndex={0} aria-label="Script">
          {data}
        </pre>
      )}
    </Card>
  );
}

const verdicts: Record<string, string> = {
  hit: 'Cache hit',
  miss: 'Cache miss',
  off: 'The cache is off for this task',
  uncached: 'Not cached',
};

export function TaskCache({ id }: { id: string }) {
  const { service } = useShared();
  const { data, error } = useRead<CacheExplanation>(`cache ${id}`, (signal) =>
    service.client.explainCache(id, { signal }),
  );
  if (!data)
    return (
      <Card title="Call cache">
        {error === undefined ? <Loading /> : <Trouble error={error} />}
      </Card>
    );
  const { decision, nearest } = data;
  return (
    <>
      <Card title={decision ? (verdicts[decision.verdict] ?? decision.verdict) : 'Not checked yet'}>
        {decision?.source !== undefined && (
          <p class="answer">
            Its result is from <a href={taskHref(decision.source)}>{decision.source}</a>.
          </p>
        )}
        <ul class="lines">
          {data.explanation.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {data.fingerprint !== undefined && (
          <p class="quiet">
            Fingerprint <span class="mono">{data.fingerprint}</span>
          </p>
        )}
      </Card>
      {nearest && nearest.differences.length > 0 && <Differences nearest={nearest} />}
    </>
  );
}

function Differences({ nearest }: { nearest: NonNullable<CacheExplanation['nearest']> }) {
  return (
    <Card title="What differs from the nearest earlier task">
      <p>
        {nearest.task === undefined ? (
          nearest.name
        ) : (
          <a href={taskHref(nearest.task)}>{nearest.task}</a>
        )}
      </p>
      <TableBox label="Differences">
        <table>
          <thead>
            <tr>
              <th scope="col">Part</th>
              <th scope="col">Here</th>
              <th scope="col">There</th>
            </tr>
          </thead>
          <tbody>
            {nearest.differences.map(({ part, here, there }) => (
              <tr key={part}>
                <th scope="row" class="mono">
                  {part}
                </th>
                <td class="mono">{here ?? '–'}</td>
                <td class="mono">{there ?? '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
    </Card>
  );
}

export function TaskFiles({ task }: { task: TesTaskFull }) {
  const written = finalLog(task)?.outputs ?? [];
  return (
    <>
      <Card title="Inputs">
        <FileTable
          rows={(task.inputs ?? []).map(({ path, url, content }) => ({
            path,
            url: url ?? (content === undefined ? '' : '(given in the task)'),
          }))}
          label="Inputs"
        />
      </Card>
      <Card title="Outputs">
        <FileTable
          rows={
            written.length > 0
              ? written.map(({ path, url, size_bytes: size }) => ({
                  path,
                  url,
                  size: size === undefined ? '' : format.bytes(Number(size)),
                }))
              : (task.outputs ?? []).map(({ path, url }) => ({ path, url, size: 'not written' }))
          }
          label="Outputs"
        />
      </Card>
    </>
  );
}

interface FileRow {
  path: string;
  url: string;
  size?: string;
}

const MOST_FILES = 500;

function FileTable({ rows, label }: { rows: readonly FileRow[]; label: string }) {
  if (rows.length === 0) return <Empty>None.</Empty>;
  return (
    <>
      <TableBox label={label}>
        <table class="files">
          <thead>
            <tr>
              <th scope="col">In the container</th>
              <th scope="col">URL</th>
              <th scope="col" class="number">
                Size
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, MOST_FILES).map(({ path, url, size }) => (
              <tr key={`${path} ${url}`}>
                <th scope="row" class="mono">
                  {path}
                </th>
                <td class="mono">{url}</td>
                <td class="number">{size ?? ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
      {rows.length > MOST_FILES && (
        <p class="quiet">
          The first {MOST_FILES} of {format.count(rows.length)} files are shown.
        </p>
      )}
    </>
  );
}

export function TaskAttempts({ task }: { task: TesTaskFull }) {
  return (
    <Card title="Attempts">
      <TableBox label="Attempts">
        <table>
          <thead>
            <tr>
              <th scope="col">Attempt</th>
              <th scope="col">Started</th>
              <th scope="col">Ended</th>
              <th scope="col" class="number">
                Exit codes
              </th>
              <th scope="col">Batch job</th>
              <th scope="col">What was said</th>
            </tr>
          </thead>
          <tbody>
            {task.logs.map((log, position) => (
              <tr key={position}>
                <th scope="row">{log.metadata?.['attempt'] ?? '–'}</th>
                <td>{log.start_time === undefined ? '–' : format.clock(log.start_time)}</td>
                <td>{log.end_time === undefined ? '–' : format.clock(log.end_time)}</td>
                <td class="number">
                  {log.logs.map(({ exit_code: code }) => (code === -1 ? '–' : code)).join(', ')}
                </td>
                <td class="mono">{log.metadata?.['batch_job_id'] ?? '–'}</td>
                <td class="why">{(log.system_logs ?? []).join(' ')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
    </Card>
  );
}
