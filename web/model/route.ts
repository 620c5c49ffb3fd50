/** The views of the page by the part of its URL after `#`. The token is never in a URL. Pure. */

export type Route =
  | { view: 'overview' }
  | { view: 'scatters' }
  | { view: 'scatter'; id: string; filter: Filter }
  | { view: 'tasks'; filter: Filter }
  | { view: 'task'; id: string; tab: TaskTab }
  | { view: 'failures' }
  | { view: 'fleet' }
  | { view: 'admin' }
  | { view: 'unknown' };

export interface Filter {
  state?: string;
  failure?: string;
  name?: string;
  tag?: string;
}

export const taskTabs = ['summary', 'logs', 'script', 'cache', 'files', 'attempts'] as const;
export type TaskTab = (typeof taskTabs)[number];

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [view = '', id = ''] = path.split('/').map(decode);
  const values = new URLSearchParams(query);
  if (view === 'scatters')
    return id === '' ? { view } : { view: 'scatter', id, filter: filterOf(values) };
  if (view === 'tasks')
    return id === '' ? { view, filter: filterOf(values) } : taskRoute(id, values);
  const plain = (['failures', 'fleet', 'admin'] as const).find((one) => one === view);
  if (plain) return { view: plain };
  return { view: view === '' ? 'overview' : 'unknown' };
}

function taskRoute(id: string, values: URLSearchParams): Route {
  const tab = taskTabs.find((one) => one === values.get('tab')) ?? 'summary';
  return { view: 'task', id, tab };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const FILTERS = ['state', 'failure', 'name', 'tag'] as const;

function filterOf(values: URLSearchParams): Filter {
  return Object.fromEntries(
    FILTERS.flatMap((name) => {
      const value = values.get(name);
      return value === null || value === '' ? [] : [[name, value]];
    }),
  );
}

export function hrefOf(
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(given as [string, string][]).toString();
  return `#/${path}${text === '' ? '' : `?${text}`}`;
}

export const taskHref = (id: string, tab?: TaskTab): string =>
  hrefOf(`tasks/${encodeURIComponent(id)}`, { tab });
export const scatterHref = (id: string, filter: Filter = {}): string =>
  hrefOf(`scatters/${encodeURIComponent(id)}`, { ...filter });

/** Where a search leads: to a task or a scatter by id, else to the tasks with that name. */
export function hrefOfSearch(text: string): string {
  const wanted = text.trim();
  if (/^task-[0-9a-z]+-[0-9a-f]{6}$/.test(wanted)) return taskHref(wanted);
  if (/^scatter-[0-9a-z]+-[0-9a-f]{6}$/.test(wanted)) return scatterHref(wanted);
  return hrefOf('tasks', { name: wanted });
}
