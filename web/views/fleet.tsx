/** Stages, job queues and workers, and what an operator does with them. */
import type { Overview, StageStatus, WorkerStatus } from '../../packages/client/client.ts';
import { useNow, useRead, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { Card, Empty, Heading, Loading, TableBox, Trouble } from '../parts/basics.tsx';
import { Confirm } from '../parts/confirm.tsx';

const EVERY_MS = 3000;

export function Fleet() {
  const { service, session } = useShared();
  const { data, error, again } = useRead<Overview>(
    'fleet',
    (signal) => service.get('/v1/overview', signal),
    EVERY_MS,
  );
  const isAdmin = session.scopes.includes('admin');
  return (
    <>
      <Heading>Fleet</Heading>
      <Trouble error={error} />
      {!data && !error && <Loading />}
      {data && <Stages stages={data.stages} isAdmin={isAdmin} again={again} />}
      {data && <Queues queues={data.queues} />}
      {isAdmin ? (
        <Workers />
      ) : (
        <Card title="Workers">
          <Empty>Only tokens with the scope admin see the workers.</Empty>
        </Card>
      )}
    </>
  );
}

interface StagesProps {
  stages: readonly StageStatus[];
  isAdmin: boolean;
  again(): void;
}

function Stages({ stages, isAdmin, again }: StagesProps) {
  return (
    <Card title="Stages">
      <TableBox label="Stages">
        <table>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Tasks
              </th>
              <th scope="col" class="number">
                Oldest
              </th>
              <th scope="col" class="number">
                Messages
              </th>
              <th scope="col" class="number">
                Busy
              </th>
              <th scope="col" class="number">
                Workers
              </th>
              <th scope="col" class="number">
                Laid aside
              </th>
              {isAdmin && <th scope="col">Action</th>}
            </tr>
          </thead>
          <tbody>
            {stages.map((one) => (
              <StageRow key={one.stage} stage={one} isAdmin={isAdmin} again={again} />
            ))}
          </tbody>
        </table>
      </TableBox>
    </Card>
  );
}

interface StageRowProps extends Omit<StagesProps, 'stages'> {
  stage: StageStatus;
}

function StageRow({ stage, isAdmin, again }: StageRowProps) {
  return (
    <tr>
      <th scope="row">{stage.stage}</th>
      <td>
        <StageState stage={stage} />
      </td>
      <td class="number">{format.count(stage.tasks)}</td>
      <td class="number">
        {stage.oldest_seconds > 0 ? format.seconds(stage.oldest_seconds) : '–'}
      </td>
      <td class="number">{format.count(stage.messages)}</td>
      <td class="number">
        {stage.active} of {stage.concurrency}
      </td>
      <td class="number">{stage.workers}</td>
      <td class="number">{stage.laid_aside > 0 ? <a href="#/admin">{stage.laid_aside}</a> : 0}</td>
      {isAdmin && (
        <td>
          <PauseButton stage={stage} again={again} />
        </td>
      )}
    </tr>
  );
}

function StageState({ stage: { paused, workers } }: { stage: StageStatus }) {
  const [tone, word] = paused
    ? ['waiting', 'paused']
    : workers === 0
      ? ['failed', 'no worker']
      : ['done', 'works'];
  return (
    <span class={`state tone-${tone}`}>
      <span class="dot" aria-hidden="true" />
      {word}
    </span>
  );
}

function PauseButton({ stage: { stage, paused }, again }: { stage: StageStatus; again(): void }) {
  const { service } = useShared();
  const verb = paused ? 'resume' : 'pause';
  return (
    <Confirm
      label={paused ? 'Resume' : 'Pause'}
      of={stage}
      question={paused ? `Resume ${stage}?` : `Pause ${stage} for the whole fleet?`}
      act={async () => {
        await service.post(`/v1/stages/${stage}:${verb}`);
        again();
        return paused ? `${stage} works again.` : `${stage} is paused.`;
      }}
    >
      {!paused && (
        <p>
          No worker takes messages of a paused stage; those in progress are finished. Tasks wait
          there until you resume it. Nothing is lost.
        </p>
      )}
    </Confirm>
  );
}

function Queues({ queues }: { queues: Overview['queues'] }) {
  return (
    <Card title="AWS Batch job queues">
      {queues.length === 0 ? (
        <Empty>No job queue is in use.</Empty>
      ) : (
        <TableBox label="Job queues">
          <table>
            <thead>
              <tr>
                <th scope="col">Queue</th>
                <th scope="col" class="number">
                  Tasks
                </th>
                <th scope="col" class="number">
                  Runnable jobs
                </th>
                <th scope="col" class="number">
                  Running jobs
                </th>
                <th scope="col" class="number">
                  Longest wait for a start
                </th>
                <th scope="col" class="number">
                  AWS says why not
                </th>
              </tr>
            </thead>
            <tbody>
              {queues.map((one) => (
                <tr key={one.queue}>
                  <th scope="row">{one.queue}</th>
                  <td class="number">{format.count(one.tasks)}</td>
                  <td class="number">{one.runnable ?? '–'}</td>
                  <td class="number">{one.running ?? '–'}</td>
                  <td class="number">
                    {one.oldest_seconds > 0 ? format.seconds(one.oldest_seconds) : '–'}
                  </td>
                  <td class="number">{format.count(one.held_up)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
    </Card>
  );
}

const workerTones: Record<WorkerStatus['state'], string> = {
  working: 'done',
  draining: 'waiting',
  drained: 'cancelled',
  silent: 'failed',
};

function Workers() {
  const { service } = useShared();
  const now = useNow();
  const { data, error, again } = useRead<{ workers: WorkerStatus[] }>(
    'workers',
    (signal) => service.get('/v1/workers', signal),
    EVERY_MS,
  );
  return (
    <Card title="Workers">
      <Trouble error={error} />
      {data?.workers.length === 0 && <Empty>No worker has been heard of in the last hour.</Empty>}
      {data && data.workers.length > 0 && (
        <TableBox label="Workers">
          <table>
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col">State</th>
                <th scope="col">Stages</th>
                <th scope="col" class="number">
                  Busy
                </th>
                <th scope="col" class="number">
                  Started
                </th>
                <th scope="col">Action</th>
              </tr>
            </thead>
            <tbody>
              {data.workers.map((worker) => (
                <tr key={worker.id}>
                  <th scope="row" class="mono">
                    {worker.id}
                  </th>
                  <td>
                    <span class={`state tone-${workerTones[worker.state]}`}>
                      <span class="dot" aria-hidden="true" />
                      {worker.state}
                    </span>
                  </td>
                  <td class="why">{worker.stages.map(({ stage }) => stage).join(', ')}</td>
                  <td class="number">
                    {worker.stages.reduce((sum, { active }) => sum + active, 0)} of{' '}
                    {worker.stages.reduce((sum, { concurrency }) => sum + concurrency, 0)}
                  </td>
                  <td class="number">{format.ago(worker.started, now)}</td>
                  <td>
                    <DrainButton worker={worker} again={again} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
    </Card>
  );
}

function DrainButton({ worker: { id, state }, again }: { worker: WorkerStatus; again(): void }) {
  const { service } = useShared();
  if (state === 'silent') return null;
  const works = state === 'working';
  return (
    <Confirm
      label={works ? 'Drain' : 'Resume'}
      of={id}
      question={works ? `Drain ${id}?` : `Let ${id} work again?`}
      act={async () => {
        await service.post(`/v1/workers/${encodeURIComponent(id)}:${works ? 'drain' : 'resume'}`);
        again();
        return works ? `${id} is being drained.` : `${id} works again.`;
      }}
    >
      {works && (
        <p>
          It takes no new messages and finishes those that it has. Once it is drained, its process
          can be stopped without work being done twice.
        </p>
      )}
    </Confirm>
  );
}
