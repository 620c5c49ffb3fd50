/** The API as the CLI uses it: what it asks, what comes back, and how a refusal is told from a service that is not there. */
import type { Readable } from 'node:stream';
import type { Place } from '../core/places.ts';

export interface ExecutorLog {
  exit_code?: number;
  start_time?: string;
  end_time?: string;
  stdout?: string;
  stderr?: string;
}

export interface TaskView {
  id: string;
  state: string;
  name?: string;
  description?: string;
  creation_time?: string;
  tags?: Record<string, string>;
  executors?: { image: string; command: string[] }[];
  outputs?: { url: string; path: string }[];
  logs?: {
    start_time?: string;
    end_time?: string;
    metadata?: Record<string, string>;
    system_logs?: string[];
    logs?: ExecutorLog[];
    outputs?: { url: string; path: string; size_bytes?: string }[];
  }[];
}

export interface ScatterView {
  id: string;
  name: string;
  size: number;
  places: Partial<Record<Place, number>>;
  states: Record<string, number>;
  cache_hits: number;
  ended: boolean;
}

export interface Timeline {
  /** RFC 3339; a span without `to` lasts. */
  spans: { what: string; attempt?: number; from: string; to?: string; ms: number }[];
}

export interface TokenView {
  id: number;
  owner: string;
  name?: string;
  scopes: string[];
  urls?: string[];
  /** RFC 3339, like the times that follow. */
  created: string;
  expires?: string;
  revoked?: string;
}

export interface CacheExplanation {
  /** One sentence. */
  verdict: string;
  /** Absent, like the components, when nothing tells what an input holds. */
  fingerprint?: string;
  /** What went into the fingerprint, by part. */
  components?: Record<string, string>;
  unreadable_inputs: string[];
  /** The entry of its fingerprint. */
  entry?: { task: string; valid: boolean; invalid_reason?: string };
  /** Where it differs from the other task; a part that only one of them has lacks a side. */
  differences?: { part: string; here?: string; there?: string }[];
}

export interface Problem {
  line?: number;
  row?: number;
  field?: string;
  expected?: string;
  got?: string;
}

/** The service understood and said no: 4xx. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  readonly status: number;
  readonly problems: readonly Problem[];

  constructor(status: number, message: string, problems: readonly Problem[]) {
    super(message);
    this.status = status;
    this.problems = problems;
  }
}

/** No answer, or one that says that the service itself is in trouble: 5xx, or no Batchwell at all. */
export class ApiUnreachable extends Error {
  override readonly name = 'ApiUnreachable';
}

export interface Client {
  readonly url: string;
  submitTask(task: unknown): Promise<{ id: string }>;
  /** Newest first. */
  listTasks(options: { pageSize: number }): Promise<TaskView[]>;
  task(id: string): Promise<TaskView>;
  cancelTask(id: string): Promise<void>;
  /** All of it is accepted or nothing; `tasks` is their number. */
  submitScatter(scatter: unknown): Promise<{ id: string; tasks: number }>;
  /** One task as JSON per line; nothing of the file is held in memory. */
  submitScatterLines(lines: Readable, about: { name?: string; cache?: string }): Promise<{ id: string; tasks: number }>;
  scatter(id: string): Promise<ScatterView>;
  /** All of them, page by page. */
  scatterTasks(id: string): Promise<TaskView[]>;
  cancelScatter(id: string): Promise<{ cancelled: number }>;
  log(id: string, options: { stream: 'stdout' | 'stderr'; executor: number }): Promise<string>;
  script(id: string): Promise<string>;
  /** Where its time went. */
  timeline(task: string): Promise<Timeline>;
  explainCache(id: string, other?: string): Promise<CacheExplanation>;
  /** With the token itself, which is shown only now. */
  createToken(rights: object): Promise<TokenView & { token: string }>;
  listTokens(): Promise<TokenView[]>;
  revokeToken(id: number): Promise<void>;
}

interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Record<string, string | number | undefined>;
  json?: unknown;
  lines?: Readable;
}

interface TaskPage {
  tasks: TaskView[];
  next_page_token?: string;
}

const TES = '/ga4gh/tes/v1';
/** TES 1.1: page_size is below 2048. */
const LARGEST_PAGE = 2047;
const id = encodeURIComponent;

/** Speaks to the API at `url`. Calls reject with ApiRefusal or ApiUnreachable. */
export function connectApi({ url, token }: { url: string; token?: string | undefined }): Client {
  const base = url.replace(/\/+$/, '');
  const call = (path: string, options: Call = {}): Promise<Response> => send(base, token, path, options);
  const json = async <T>(path: string, options: Call = {}): Promise<T> => readJson<T>(await call(path, options), base);
  const text = async (path: string, options: Call = {}): Promise<string> => (await call(path, options)).text();
  return {
    url: base,
    submitTask: (task) => json(`${TES}/tasks`, { method: 'POST', json: task }),
    listTasks: async ({ pageSize }) => (await json<{ tasks: TaskView[] }>(`${TES}/tasks`, { query: { view: 'BASIC', page_size: pageSize } })).tasks,
    task: (task) => json(`${TES}/tasks/${id(task)}`, { query: { view: 'FULL' } }),
    cancelTask: async (task) => void (await call(`${TES}/tasks/${id(task)}:cancel`, { method: 'POST', json: {} })),
    submitScatter: (scatter) => json('/v1/scatters', { method: 'POST', json: scatter }),
    submitScatterLines: (lines, about) => json('/v1/scatters', { method: 'POST', lines, query: about }),
    scatter: (scatter) => json(`/v1/scatters/${id(scatter)}`),
    scatterTasks: (scatter) => allPages((page_token) => json<TaskPage>(`/v1/scatters/${id(scatter)}/tasks`, { query: { view: 'BASIC', page_size: LARGEST_PAGE, page_token } })),
    cancelScatter: (scatter) => json(`/v1/scatters/${id(scatter)}:cancel`, { method: 'POST', json: {} }),
    log: (task, { stream, executor }) => text(`/v1/tasks/${id(task)}/logs`, { query: { stream, executor } }),
    script: (task) => text(`/v1/tasks/${id(task)}/script`),
    timeline: (task) => json(`/v1/tasks/${id(task)}/timeline`),
    explainCache: (task, other) => json(`/v1/tasks/${id(task)}/cache-explanation`, { query: { other } }),
    createToken: (rights) => json('/v1/tokens', { method: 'POST', json: rights }),
    listTokens: async () => (await json<{ tokens: TokenView[] }>('/v1/tokens')).tokens,
    revokeToken: async (token) => void (await call(`/v1/tokens/${token}`, { method: 'DELETE' })),
  };
}

async function allPages(read: (token: string | undefined) => Promise<TaskPage>): Promise<TaskView[]> {
  const tasks: TaskView[] = [];
  let token: string | undefined;
  do {
    const page = await read(token);
    tasks.push(...page.tasks);
    token = page.next_page_token;
  } while (token !== undefined && token !== '');
  return tasks;
}

async function send(base: string, token: string | undefined, path: string, options: Call): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options.query ?? {})) if (value !== undefined) query.set(name, String(value));
  const target = `${base}${path}${query.size > 0 ? `?${query.toString()}` : ''}`;
  const headers: Record<string, string> = { accept: 'application/json, text/plain', ...(token && { authorization: `Bearer ${token}` }) };
  const init: RequestInit & { duplex?: 'half' } = { method: options.method ?? 'GET', headers };
  if (options.json !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(options.json);
  }
  if (options.lines !== undefined) {
    headers['content-type'] = 'application/x-ndjson';
    init.body = options.lines as unknown as NonNullable<RequestInit['body']>;
    init.duplex = 'half';
  }
  const response = await fetch(target, init).catch((cause: unknown) => {
    throw new ApiUnreachable(`Batchwell cannot be reached at ${base}: ${reasonOf(cause)}. Is it running (\`batchwell up\`)? Another address goes with --url or BATCHWELL_URL.`, { cause });
  });
  if (!response.ok) throw await failureOf(response, base);
  return response;
}

/** fetch says only "fetch failed"; what happened is its cause. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  if (!(inner instanceof Error)) return String(inner);
  return inner.message !== '' ? inner.message : String((inner as NodeJS.ErrnoException).code ?? inner.name);
}

async function readJson<T>(response: Response, base: string): Promise<T> {
  const body = await response.text();
  try {
    return JSON.parse(body) as T;
  } catch (cause) {
    throw new ApiUnreachable(`What answers at ${base} is no Batchwell: its reply is no JSON (${JSON.stringify(body.slice(0, 60))}).`, { cause });
  }
}

async function failureOf(response: Response, base: string): Promise<Error> {
  const said = sayings(await response.text().catch(() => ''));
  const message = said.message ?? `${response.status} ${response.statusText}`;
  if (response.status >= 500) return new ApiUnreachable(`Batchwell at ${base} answered ${response.status}: ${message}`);
  if (response.status === 401) return new ApiRefusal(response.status, `${message} Give a token with --token or BATCHWELL_TOKEN.`, said.problems);
  return new ApiRefusal(response.status, message, said.problems);
}

function sayings(body: string): { message?: string; problems: Problem[] } {
  try {
    const { message, problems } = JSON.parse(body) as { message?: unknown; problems?: unknown };
    return { ...(typeof message === 'string' && { message }), problems: Array.isArray(problems) ? (problems as Problem[]) : [] };
  } catch {
    return { problems: [] };
  }
}
