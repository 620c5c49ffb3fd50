/** One scatter: how far it is, how fast, what failed, where the time goes, and its tasks. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type {
  BatchwellEvent,
  FailureList,
  ScatterCacheExplanation,
  ScatterReply,
  ScatterSteps,
  SummaryList,
} from '../../packages/client/client.ts';
import { useNow, useRead, useShared, useStream } from '../hooks.ts';
import * as format from '../model/format.ts';
import { addSample, endedOf, paceOf, type Pace, type Sample } from '../model/progress.ts';
import { scatterHref, type Filter } from '../model/route.ts';
import { Card, Fact, Heading, Legend, Loading, Progress, Trouble } from '../parts/basics.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { FailureGroups, RetryButton } from '../parts/failure-groups.tsx';
import { Steps } from '../parts/steps.tsx';
import { Rows, TaskTable } from '../parts/task-table.tsx';

const SLOW_MS = 10_000;

/** The counts, from the stream of events; they move by themselves. */
function useScatter(id: string) {
  const { service } = useShared();
  const path = `/v1/scatters/${encodeURIComponent(id)}`;
  const first = useRead<ScatterReply>(path, (signal) => service.get(path, signal));
  const [live, setLive] = useState<ScatterReply>();
  const [samples, setSamples] = useState<Sample[]>([]);
  const [version, setVersion] = useState(0);
  const note = useCallback((seen: ScatterReply): void => {
    setLive(seen);
    setSamples((before) => addSample(before, { atMs: Date.now(), ended: endedOf(seen) }));
  }, []);
  useEffect(() => {
    if (first.data) note(first.data);
  }, [first.data, note]);
  const isOpen = first.data !== undefined && !first.data.ended;
  useStream<BatchwellEvent>(
    id,
    isOpen ? (signal) => service.client.events({ scatter: id }, { signal }) : undefined,
    (events) => {
      const counted = events.findLast((one) => one.event === 'scatter');
      if (counted?.event === 'scatter') note(counted.data);
      if (events.some(({ event }) => event === 'task')) setVersion((before) => before + 1);
    },
    () => first.again(),
  );
  return { scatter: live ?? first.data, error: first.error, samples, version };
}

export function Scatter({ id, filter }: { id: string; filter: Filter }) {
  const { scatter, error, samples, version } = useScatter(id);
  if (!scatter)
    return (
      <>
        <Heading>Scatter</Heading>
        {error === undefined ? <Loading /> : <Trouble error={error} />}
      </>
    );
  return (
    <>
      <div class="title">
        <div>
          <Heading>{scatter.name || scatter.id}</Heading>
          <p class="quiet mono">{scatter.id}</p>
        </div>
        <Actions scatter={scatter} />
      </div>
      <Trouble error={error} />
      <Head scatter={scatter} samples={samples} />
      {scatter.places.failed > 0 && <Failed scatter={scatter} />}
      <div class="cards two">
        <StepsCard scatter={scatter} />
        <CacheCard scatter={scatter} />
      </div>
      {!scatter.ended && <Oldest scatter={scatter} />}
      <Card title="Tasks">
        <TaskTable
          scatter={id}
          filter={filter}
          version={useThrottled(version)}
          onFilter={(wanted) => {
            location.hash = scatterHref(id, wanted);
          }}
        />
      </Card>
    </>
  );
}

const REREAD_MS = 2000;

/** A table of tasks is read again some seconds after a change, and not for each. */
function useThrottled(version: number): number {
  const [shown, setShown] = useState(version);
  const latest = useRef(version);
  latest.current = version;
  useEffect(() => {
    const timer = window.setInterval(() => setShown(latest.current), REREAD_MS);
    return () => window.clearInterval(timer);
  }, []);
  return shown;
}

function Actions({ scatter }: { scatter: ScatterReply }) {
  const { service, session } = useShared();
  const left = scatter.size - endedOf(scatter);
  return (
    <div class="actions">
      {scatter.places.failed > 0 && session.scopes.includes('submit') && (
        <RetryButton scatter={scatter.id} tasks={scatter.places.failed} />
      )}
      {left > 0 && session.scopes.includes('cancel') && (
        <Confirm
          danger
          label="Cancel"
          of="the scatter"
          question={`Cancel ${format.tasks(left)} that have not ended?`}
          act={async () => {
            const { cancelled } = await service.post<{ cancelled: number }>(
              `/v1/scatters/${encodeURIComponent(scatter.id)}:cancel`,
            );
            return `${format.tasks(cancelled)} were cancelled.`;
          }}
        />
      )}
    </div>
  );
}

function Head({ scatter, samples }: { scatter: ScatterReply; samples: readonly Sample[] }) {
  const now = useNow();
  const ended = endedOf(scatter);
  const pace = scatter.ended ? undefined : paceOf(samples, scatter.size);
  const waits = waitingCounts(scatter);
  return (
    <Card title={scatter.ended ? 'Ended' : 'Progress'}>
      <Progress scatter={scatter} />
      <Legend scatter={scatter} />
      <dl class="facts">
        <Fact name="Ended">
          {format.count(ended)} of {format.count(scatter.size)} (
          {format.percent(ended, scatter.size)})
        </Fact>
        {!scatter.ended && (
          <>
            <Fact name="Rate">{rateWords(pace)}</Fact>
            <Fact name="Time left">
              {pace?.leftMs === undefined ? '–' : format.duration(pace.leftMs)}
            </Fact>
          </>
        )}
        <Fact name="Submitted">
          <time dateTime={scatter.created}>{format.clock(scatter.created)}</time>,{' '}
          {format.ago(scatter.created, now)}
        </Fact>
        {waits !== '' && <Fact name="Waits">{waits}</Fact>}
        {Object.entries(scatter.tags).map(([key, value]) => (
          <Fact key={key} name={key}>
            {key === 'retry_of' ? <a href={scatterHref(value)}>{value}</a> : value}
          </Fact>
        ))}
      </dl>
    </Card>
  );
}

function rateWords(pace: Pace | undefined): string {
  if (!pace) return 'measuring…';
  return pace.perMinute === 0 ? 'none ended lately' : format.rate(pace.perMinute);
}

/** `1,204 capacity, 3 equal-call`, where the service counts what tasks wait for. */
function waitingCounts(scatter: ScatterReply & { waiting?: Record<string, number> }): string {
  return Object.entries(scatter.waiting ?? {})
    .map(([kind, tasks]) => `${format.count(tasks)} ${kind.replaceAll('-', ' ')}`)
    .join(', ');
}

function Failed({ scatter }: { scatter: ScatterReply }) {
  const { service } = useShared();
  const path = `/v1/failures?scatter=${encodeURIComponent(scatter.id)}`;
  const { data, error } = useRead<FailureList>(
    path,
    (signal) => service.get(path, signal),
    scatter.ended ? 0 : SLOW_MS,
  );
  return (
    <Card title={`${format.tasks(scatter.places.failed)} failed`}>
      <Trouble error={error} />
      {data && <FailureGroups failures={data} scatter={scatter.id} />}
    </Card>
  );
}

function StepsCard({ scatter }: { scatter: ScatterReply }) {
  const { service } = useShared();
  const path = `/v1/scatters/${encodeURIComponent(scatter.id)}/steps`;
  const { data, error } = useRead<ScatterSteps>(
    path,
    (signal) => service.get(path, signal),
    scatter.ended ? 0 : SLOW_MS,
  );
  return (
    <Card title="Where does the time go?">
      <Trouble error={error} />
      {data && <Steps steps={data.steps} />}
    </Card>
  );
}

function CacheCard({ scatter }: { scatter: ScatterReply }) {
  const { service } = useShared();
  const [asked, setAsked] = useState(false);
  return (
    <Card title="Call cache">
      <p class="answer">
        {format.count(scatter.cache_hits)} of {format.tasks(scatter.size)} were cache hits.
      </p>
      {asked ? (
        <CacheLines id={scatter.id} read={(id) => service.client.explainScatterCache(id)} />
      ) : (
        <button type="button" onClick={() => setAsked(true)}>
          Explain hits and misses
        </button>
      )}
    </Card>
  );
}

function CacheLines({
  id,
  read,
}: {
  id: string;
  read(id: string): Promise<ScatterCacheExplanation>;
}) {
  const { data, error } = useRead(`cache ${id}`, () => read(id));
  if (!data) return error === undefined ? <Loading /> : <Trouble error={error} />;
  return (
    <ul class="lines">
      {data.explanation.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

const OLDEST = 5;

function Oldest({ scatter }: { scatter: ScatterReply }) {
  const { service } = useShared();
  const path = `/v1/summaries/oldest?scatter=${encodeURIComponent(scatter.id)}&limit=${OLDEST}`;
  const { data } = useRead<SummaryList>(path, (signal) => service.get(path, signal), SLOW_MS);
  return data && data.tasks.length > 0 ? (
    <Card title="Oldest unfinished tasks">
      <Rows tasks={data.tasks} inScatter />
    </Card>
  ) : null;
}
