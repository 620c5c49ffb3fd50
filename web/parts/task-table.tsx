/** A page of tasks as a table, with filters above and pages below. 10,000 tasks are 100 pages. */
import { useEffect, useState } from 'preact/hooks';
import type { SummaryList, TaskSummary } from '../../packages/client/client.ts';
import { useNow, useRead, useShared } from '../hooks.ts';
import { scatterHref, taskHref, type Filter } from '../model/route.ts';
import { Pages } from './pages.tsx';
import { durationOf, Empty, Loading, State, TableBox, Trouble } from './basics.tsx';

interface TaskTableProps {
  scatter?: string | undefined;
  filter: Filter;
  /** Reads the page again when it changes. */
  version?: number;
  onFilter(filter: Filter): void;
}

const PAGE_SIZE = 50;
const REFRESH_MS = 5000;
const STATES: [value: string, label: string][] = [
  ['', 'all states'],
  ['QUEUED', 'queued'],
  ['RUNNING', 'running'],
  ['COMPLETE', 'done'],
  ['EXECUTOR_ERROR', 'failed'],
  ['SYSTEM_ERROR', 'system error'],
  ['CANCELED', 'cancelled'],
];

function queryOf({ scatter, filter }: Pick<TaskTableProps, 'scatter' | 'filter'>): string {
  const query = new URLSearchParams({ page_size: String(PAGE_SIZE) });
  if (scatter !== undefined) query.set('scatter', scatter);
  if (filter.state) query.set('state', filter.state);
  if (filter.failure) query.set('failure', filter.failure);
  if (filter.name) query.set('name_prefix', filter.name);
  if (filter.tag) {
    const [key = '', ...value] = filter.tag.split(':');
    query.set('tag_key', key);
    query.set('tag_value', value.join(':'));
  }
  return query.toString();
}

export function TaskTable(props: TaskTableProps) {
  const query = queryOf(props);
  const { list, error, ...pages } = usePages(query, props.version ?? 0);
  return (
    <>
      <Filters filter={props.filter} onFilter={props.onFilter} />
      <Trouble error={error} />
      {!list && !error && <Loading />}
      {list?.tasks.length === 0 && <Empty>No task matches.</Empty>}
      {list && list.tasks.length > 0 && (
        <Rows tasks={list.tasks} inScatter={props.scatter !== undefined} />
      )}
      {list && <Pages {...pages} next={list.next_page_token} of="tasks" />}
    </>
  );
}

function usePages(query: string, version: number) {
  const { service } = useShared();
  // The tokens of the pages before, to go back to them.
  const [tokens, setTokens] = useState<string[]>([]);
  useEffect(() => setTokens([]), [query]);
  const token = tokens.at(-1);
  const path = `/v1/summaries?${query}${token === undefined ? '' : `&page_token=${token}`}`;
  const { data, error } = useRead<SummaryList>(
    `${path} ${version}`,
    (signal) => service.get(path, signal),
    REFRESH_MS,
  );
  // The page stays while the next one is read.
  const [shown, setShown] = useState<{ of: string; list: SummaryList }>();
  useEffect(() => {
    if (data) setShown({ of: query, list: data });
  }, [data, query]);
  const list = data ?? (shown?.of === query ? shown.list : undefined);
  return { list, error, tokens, setTokens };
}

function Filters({ filter, onFilter }: Pick<TaskTableProps, 'filter' | 'onFilter'>) {
  const [name, setName] = useState(filter.name ?? '');
  const [tag, setTag] = useState(filter.tag ?? '');
  useEffect(() => {
    setName(filter.name ?? '');
    setTag(filter.tag ?? '');
  }, [filter.name, filter.tag]);
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <form
      class="filters"
      role="search"
      aria-label="Filter tasks"
      onSubmit={(event) => {
        event.preventDefault();
        onFilter({ ...filter, name, tag });
      }}
    >
      <label>
        State{' '}
        <select
          value={filter.state ?? ''}
          onChange={({ currentTarget }) => {
            const { failure: _, ...rest } = filter;
            onFilter({ ...rest, state: currentTarget.value });
          }}
        >
          {STATES.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label>
        Name begins with{' '}
        <input value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
      </label>
      <label>
        Tag{' '}
        <input
          value={tag}
          placeholder="key:value"
          onInput={({ currentTarget }) => setTag(currentTarget.value)}
        />
      </label>
      <button type="submit">Filter</button>
      {filter.failure !== undefined && <span class="chip">failed with {filter.failure}</span>}
      {isFiltered && (
        <button type="button" class="plain" onClick={() => onFilter({})}>
          Clear
        </button>
      )}
    </form>
  );
}

export function Rows({ tasks, inScatter }: { tasks: readonly TaskSummary[]; inScatter: boolean }) {
  const now = useNow();
  return (
    <TableBox label="Tasks">
      <table>
        <thead>
          <tr>
            <th scope="col">{inScatter ? 'Row' : 'Task'}</th>
            <th scope="col">State</th>
            <th scope="col">Name</th>
            {!inScatter && <th scope="col">Scatter</th>}
            <th scope="col" class="number">
              Attempt
            </th>
            <th scope="col" class="number">
              Age or duration
            </th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <tr key={task.id}>
              <th scope="row" class="mono">
                <a href={taskHref(task.id)}>
                  {inScatter && task.row !== undefined ? `#${task.row}` : task.id}
                </a>
              </th>
              <td>
                <State state={task.state} hit={task.cache_hit} />
              </td>
              <td>{task.name || <span class="quiet">(no name)</span>}</td>
              {!inScatter && (
                <td class="mono">
                  {task.scatter && (
                    <a href={scatterHref(task.scatter)}>
                      {task.scatter.replace('scatter-', '')} #{task.row}
                    </a>
                  )}
                </td>
              )}
              <td class="number">{task.attempt || '–'}</td>
              <td class="number">{durationOf(task, now)}</td>
              <td class="why">{whyOf(task)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableBox>
  );
}

const placeWords: Record<string, string> = {
  'cache-check': 'being checked against the cache',
  'stage-script': 'its script is being written',
  submit: 'waits to be submitted',
  poll: 'waits in AWS Batch',
  finalize: 'its outputs are being checked',
};

/** Why a task is as it is, in a line. */
export function whyOf({ failure, waiting, place, state }: TaskSummary): string {
  if (failure) return `${failure.code}: ${failure.message}`;
  if (waiting !== undefined) return waiting;
  if (place === 'poll' && state === 'RUNNING') return '';
  return placeWords[place] ?? '';
}
