/** The first view: each card answers one question of an operator. */
import type { FailureList, Overview as State, SummaryList } from '../../packages/client/client.ts';
import { useRead, useShared } from '../hooks.ts';
import * as format from '../model/format.ts';
import { hrefOf } from '../model/route.ts';
import { Card, Empty, Heading, Loading, Trouble } from '../parts/basics.tsx';
import { Rows } from '../parts/task-table.tsx';
import { ScatterRows } from '../parts/scatter-rows.tsx';

const EVERY_MS = 4000;
const OLDEST = 5;

export function Overview() {
  const { service } = useShared();
  const { data, error } = useRead<State>(
    'overview',
    (signal) => service.get('/v1/overview', signal),
    EVERY_MS,
  );
  return (
    <>
      <Heading>Overview</Heading>
      <Trouble error={error} />
      {!data && !error && <Loading />}
      {data && (
        <>
          <Health state={data} />
          <div class="cards">
            <Numbers state={data} />
            <HoldUp state={data} />
            <Waiting state={data} />
            <Cache state={data} />
            <Cost state={data} />
            <Owners state={data} />
            <Failed />
          </div>
        </>
      )}
      <Oldest />
      <Card title="Latest scatters" actions={<a href="#/scatters">All scatters</a>}>
        <ScatterRows most={8} />
      </Card>
    </>
  );
}

const healthWords = {
  ok: 'Everything works.',
  warning: 'Something needs a look.',
  failing: 'Something does not work.',
};

function Health({ state }: { state: State }) {
  return (
    <section class={`health health-${state.health}`} aria-labelledby="health">
      <h2 id="health">
        <span class="dot" aria-hidden="true" />
        {healthWords[state.health]}
      </h2>
      {state.problems.length > 0 && (
        <ul>
          {state.problems.map(({ message, advice }) => (
            <li key={message}>
              <strong>{message}</strong> {advice}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Numbers({ state }: { state: State }) {
  const { drain, running } = state;
  return (
    <Card title="When is the backlog gone?" class="wide">
      <dl class="numbers">
        <Big name="not ended" value={format.count(drain.backlog)} />
        <Big name="running" value={format.count(running)} />
        <Big
          name="ending now"
          value={drain.per_minute > 0 ? format.rate(drain.per_minute) : 'none'}
        />
        <Big name="backlog gone" value={goneIn(state)} />
      </dl>
    </Card>
  );
}

const MINUTE_S = 60;

function goneIn({ drain }: State): string {
  if (drain.backlog === 0) return 'no backlog';
  if (drain.seconds === undefined) return 'unknown';
  return drain.seconds < MINUTE_S ? 'within a minute' : `in ${format.seconds(drain.seconds)}`;
}

function Big({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const stageNames: Record<string, string> = { poll: 'AWS Batch' };

function HoldUp({ state }: { state: State }) {
  const most = Math.max(1, ...state.stages.map(({ tasks }) => tasks));
  return (
    <Card title="Which stage holds it up?" actions={<a href="#/fleet">Fleet</a>}>
      <p class="answer">{state.hold_up.message}</p>
      <ul class="bars" aria-label="Tasks that wait at each stage">
        {state.stages.map(({ stage, tasks, paused, workers }) => (
          <li key={stage} class={state.hold_up.stage === stage ? 'most' : ''}>
            <span class="bar-name">{stageNames[stage] ?? stage}</span>
            <span class="bar-track" aria-hidden="true">
              <span class="bar" style={{ width: `${(tasks / most) * 100}%` }} />
            </span>
            <span class="bar-value">
              {format.count(tasks)}
              {paused && <em> paused</em>}
              {workers === 0 && <em> no worker</em>}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Waiting({ state }: { state: State }) {
  const { waiting, queues } = state;
  return (
    <Card title="Is it AWS Batch or us?">
      <p class="answer">{waiting.message}</p>
      {queues.length > 0 && (
        <table class="small">
          <thead>
            <tr>
              <th scope="col">Job queue</th>
              <th scope="col" class="number">
                Runnable
              </th>
              <th scope="col" class="number">
                Running
              </th>
              <th scope="col" class="number">
                Longest wait
              </th>
            </tr>
          </thead>
          <tbody>
            {queues.map((queue) => (
              <tr key={queue.queue}>
                <th scope="row">{queue.queue.replace(/^arn:.*\//, '')}</th>
                <td class="number">{queue.runnable ?? '–'}</td>
                <td class="number">{queue.running ?? '–'}</td>
                <td class="number">
                  {queue.oldest_seconds > 0 ? format.seconds(queue.oldest_seconds) : '–'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function Cache({ state }: { state: State }) {
  const { hits, vcpu_hours: vcpu, cost } = state.cache;
  return (
    <Card title="What did the cache save?">
      {hits === 0 ? (
        <p class="answer">Nothing yet: there was no cache hit.</p>
      ) : (
        <p class="answer">
          {format.count(hits)} hits saved {vcpuHours(vcpu)}, about{' '}
          {format.money(cost, state.cost.currency)}.
        </p>
      )}
      <p class="quiet">Of your tasks, since the first one.</p>
    </Card>
  );
}

function vcpuHours(hours: number): string {
  if (hours >= 1) return `${hours.toFixed(1)} vCPU hours`;
  const minutes = hours * 60;
  return minutes >= 1
    ? `${minutes.toFixed(1)} vCPU minutes`
    : `${(minutes * 60).toFixed(1)} vCPU seconds`;
}

function Cost({ state }: { state: State }) {
  const { per_hour: perHour, currency, prices } = state.cost;
  return (
    <Card title="What does it cost?">
      <p class="answer">
        {perHour === 0
          ? 'Nothing runs now.'
          : `${format.money(perHour, currency)} an hour, as it runs now.`}
      </p>
      <p class="quiet">An estimate. {prices}</p>
    </Card>
  );
}

function Owners({ state }: { state: State }) {
  const busy = state.owners.filter(({ tasks }) => tasks > 0);
  return (
    <Card title="Who uses it?">
      {busy.length === 0 && state.other_tasks === 0 ? (
        <p class="answer">Nobody: no task is unfinished.</p>
      ) : (
        <table class="small">
          <thead>
            <tr>
              <th scope="col">Owner</th>
              <th scope="col" class="number">
                Not ended
              </th>
              <th scope="col" class="number">
                Running
              </th>
              <th scope="col" class="number">
                Per hour
              </th>
            </tr>
          </thead>
          <tbody>
            {busy.map((owner) => (
              <tr key={owner.owner}>
                <th scope="row">{owner.owner || '(everybody)'}</th>
                <td class="number">{format.count(owner.tasks)}</td>
                <td class="number">{format.count(owner.running)}</td>
                <td class="number">{format.money(owner.cost_per_hour, state.cost.currency)}</td>
              </tr>
            ))}
            {state.other_tasks > 0 && (
              <tr>
                <th scope="row">others</th>
                <td class="number">{format.count(state.other_tasks)}</td>
                <td />
                <td />
              </tr>
            )}
          </tbody>
        </table>
      )}
    </Card>
  );
}

const FAILED_MS = 15_000;

function Failed() {
  const { service } = useShared();
  const { data, error } = useRead<FailureList>(
    'failures',
    (signal) => service.get('/v1/failures', signal),
    FAILED_MS,
  );
  return (
    <Card title="What failed today?" actions={<a href="#/failures">Failures</a>}>
      <Trouble error={error} />
      {data?.failed === 0 && <p class="answer">No task of yours.</p>}
      {data && data.failed > 0 && (
        <>
          <p class="answer">{format.tasks(data.failed)} of yours, most often:</p>
          <ul class="lines">
            {data.groups.slice(0, 3).map((group) => (
              <li key={group.key}>
                <strong>{format.count(group.tasks)}</strong>{' '}
                <a href={hrefOf('tasks', { failure: group.code })}>{group.code}</a>
              </li>
            ))}
          </ul>
        </>
      )}
    </Card>
  );
}

function Oldest() {
  const { service } = useShared();
  const { data, error } = useRead<SummaryList>(
    'oldest',
    (signal) => service.get(`/v1/summaries/oldest?limit=${OLDEST}`, signal),
    EVERY_MS,
  );
  return (
    <Card title="What is slow? The oldest unfinished tasks">
      <Trouble error={error} />
      {data?.tasks.length === 0 && <Empty>Every task has ended.</Empty>}
      {data && data.tasks.length > 0 && <Rows tasks={data.tasks} inScatter={false} />}
    </Card>
  );
}
