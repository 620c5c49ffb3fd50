/** Every operation: what it takes, gives, and how it fails. */
import type { BatchwellEvent } from './follow-events.ts';
import type {
  CacheExplanation,
  CacheMode,
  CancelTasksReply,
  DeliveryReply,
  LogLine,
  ScatterAccepted,
  ScatterHead,
  ScatterReply,
  ScatterRequest,
  ServiceInfo,
  TaskQuery,
  TesTask,
  TesTaskFull,
  TesTaskMinimal,
  Timeline,
  TokenMade,
  TokenReply,
  TokenRequest,
  Validation,
  View,
  WebhookMade,
  WebhookReply,
  WebhookRequest,
} from './types.generated.ts';

/** Every call takes one; an aborted call rejects with the signal's reason, and what was sent may have been heard. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends CallOptions {
  /** 1 to 255 printable ASCII characters. The same request under the same key makes nothing twice for a week, also from another process; a random one is made when none is given. */
  idempotencyKey?: string | undefined;
}

export interface ScatterOptions extends SubmitOptions {
  /** Answer with `task_ids`. */
  ids?: boolean | undefined;
}

/** Of a scatter whose tasks come one by one. */
export interface LineScatterOptions extends ScatterOptions {
  name?: string | undefined;
  cache?: CacheMode | undefined;
  /** Keys hold no colon. */
  tags?: Record<string, string> | undefined;
}

export interface ManyOptions extends LineScatterOptions {
  /** Send what has come so many ms after the first of it, although the scatter is not full. Without it, only when it is full or the source has ended. */
  lingerMs?: number | undefined;
}

export interface ManyAccepted extends ScatterAccepted {
  /** Position in the source of its first task, from 0. */
  first: number;
}

export interface WaitOptions extends CallOptions {
  /** Then it rejects with a DOMException called TimeoutError; what is waited for goes on. */
  timeoutMs?: number | undefined;
}

export interface LogOptions extends CallOptions {
  /** stdout when not given. */
  stream?: 'stdout' | 'stderr' | undefined;
  /** Which of the task's executors, from 0 (0). */
  executor?: number | undefined;
  /** At most so many bytes of its end, up to 16 MiB (1 MiB). */
  tailBytes?: number | undefined;
}

export interface FollowOptions extends LogOptions {
  /** The `position` of a line of an earlier reading: go on after it. `tailBytes` then means nothing. */
  from?: string | undefined;
}

/** A task in the view that was asked for. */
export type TaskOf<V extends View> = V extends 'MINIMAL' ? TesTaskMinimal : TesTaskFull;

/** Filters of lists. `tags` must all be there; an empty value stands for any. */
export type TaskFilter<V extends View = 'MINIMAL'> = Omit<
  TaskQuery,
  'tag_key' | 'tag_value' | 'view'
> &
  CallOptions & { view?: V | undefined; tags?: Record<string, string> | undefined };

/** One page, newest first; `next_page_token` goes into `page_token` of the next call. */
export interface TaskPage<V extends View> {
  tasks: TaskOf<V>[];
  next_page_token?: string;
}

/**
 * Every call rejects with a BatchwellError, after attempts as `retry` says where another may help: no answer, 429, 502, 503, 504.
 * An id that is not there, or another owner's, is status 404.
 */
export interface Client {
  readonly url: string;
  /** Resolves once the task is committed. 400 names the fields that are wrong; 409: the key was used for another task. */
  submit(task: TesTask, options?: SubmitOptions): Promise<{ id: string }>;
  /** A template and up to 10,000 rows, all of them or none; problems have their `row`. */
  submitScatter(scatter: ScatterRequest, options?: ScatterOptions): Promise<ScatterAccepted>;
  /**
   * Tasks from any source, in scatters of up to 10,000 (and 32 MiB); yields each once it is committed, and reads on when the next one is
   * asked for. Fails as the source does; what came since the last scatter was not sent then. Problems have their `line`, from 1 over the
   * whole source. With `idempotencyKey` the scatters are called KEY.0, KEY.1, …: the same source again makes nothing twice, provided that
   * it is cut alike, hence without `lingerMs`.
   */
  submitMany(
    tasks: AsyncIterable<TesTask> | Iterable<TesTask>,
    options?: ManyOptions,
  ): AsyncGenerator<ManyAccepted, void, undefined>;
  /** NDJSON as it stands, one scatter of at most 10,000 lines. A Blob is sent again where that helps, a stream never. */
  submitLines(
    lines: Blob | ReadableStream<Uint8Array>,
    options?: LineScatterOptions,
  ): Promise<ScatterAccepted>;
  get<V extends View = 'MINIMAL'>(
    id: string,
    options?: CallOptions & { view?: V | undefined },
  ): Promise<TaskOf<V>>;
  /** The task once it has ended, in view FULL when not told otherwise. */
  waitFor<V extends View = 'FULL'>(
    id: string,
    options?: WaitOptions & { view?: V | undefined },
  ): Promise<TaskOf<V>>;
  list<V extends View = 'MINIMAL'>(filter?: TaskFilter<V>): Promise<TaskPage<V>>;
  /** All pages of `list`, one after the other, each read when it is needed. */
  listAll<V extends View = 'MINIMAL'>(
    filter?: TaskFilter<V>,
  ): AsyncGenerator<TaskOf<V>, void, undefined>;
  /** Also when it has ended already; then nothing happens. */
  cancel(id: string, options?: CallOptions): Promise<void>;
  /** At most 10,000 ids; all tasks with these tags; or all of a scatter. Attempts after the first count only what is left to be cancelled. */
  cancelMany(
    which: { ids: readonly string[] } | { tags: Record<string, string> } | { scatter: string },
    options?: CallOptions,
  ): Promise<CancelTasksReply>;
  scatter(id: string, options?: CallOptions): Promise<ScatterReply>;
  /** As listAll, of one scatter. */
  scatterTasks<V extends View = 'MINIMAL'>(
    id: string,
    filter?: TaskFilter<V>,
  ): AsyncGenerator<TaskOf<V>, void, undefined>;
  /** All scatters, newest first. */
  listScatters(options?: CallOptions): AsyncGenerator<ScatterHead, void, undefined>;
  /** The scatter once all of its tasks have ended. Cheaper than waiting for each. */
  waitForScatter(id: string, options?: WaitOptions): Promise<ScatterReply>;
  /**
   * Tasks as they change: one, those of a scatter (with its counts), those with these tags, or all. Ends with the task or the scatter; goes on
   * where it was when the connection breaks. What is told is where a task stands by then: the same may come twice, and a state that lasted
   * for moments not at all.
   */
  events(
    of?: { task: string } | { scatter: string } | { tags: Record<string, string> },
    options?: CallOptions & { lastEventId?: string | undefined },
  ): AsyncGenerator<BatchwellEvent, void, undefined>;
  /** The end of what an executor of the latest attempt printed, while it runs as far as is known; 404 until there is something. */
  logs(id: string, options?: LogOptions): Promise<string>;
  /**
   * The same, and then what comes, through all attempts, until the task has ended. Each line has a `text`, or says that what follows
   * begins anew or that bytes are left out. Goes on after a connection that broke, with every character once. Read no faster than it is asked.
   */
  followLog(id: string, options?: FollowOptions): AsyncGenerator<LogLine, void, undefined>;
  /** The exact text that the task runs, but for secrets. */
  script(id: string, options?: CallOptions): Promise<string>;
  timeline(id: string, options?: CallOptions): Promise<Timeline>;
  /** Why it hits the call cache or misses it; with another task, in what the two differ. */
  explainCache(
    id: string,
    options?: CallOptions & { other?: string | undefined },
  ): Promise<CacheExplanation>;
  /** A dry run: what would come of the task. Stores nothing; 400 as `submit`. */
  validate(task: TesTask, options?: CallOptions): Promise<Validation>;
  serviceInfo(options?: CallOptions): Promise<ServiceInfo>;
  /** Needs a token of scope admin, like the two that follow. An attempt that is made again may leave one more token, whose secret nobody has. */
  createToken(rights: TokenRequest, options?: CallOptions): Promise<TokenMade>;
  /** Newest first, also those that were revoked. */
  listTokens(options?: CallOptions): Promise<TokenReply[]>;
  /** Within ten seconds it opens nothing. */
  revokeToken(id: number, options?: CallOptions): Promise<void>;
  /** Has a url told when your tasks and scatters end. 400: it lies at no origin that the operator allows; 409: none is, or you have too many. An attempt that is made again may leave one more. */
  createWebhook(wants: WebhookRequest, options?: CallOptions): Promise<WebhookMade>;
  /** Newest first. */
  listWebhooks(options?: CallOptions): Promise<WebhookReply[]>;
  /** What it was still to be told is dropped. */
  deleteWebhook(id: number, options?: CallOptions): Promise<void>;
  /** Has a ping delivered, to try a receiver. */
  pingWebhook(id: number, options?: CallOptions): Promise<void>;
  /** What it was told in the last week, and is still to be told; newest first, each page read when it is needed. */
  deliveries(
    id: number,
    options?: CallOptions & { state?: DeliveryReply['state'] | undefined },
  ): AsyncGenerator<DeliveryReply, void, undefined>;
  /** Delivers again what was delivered or given up. */
  redeliver(id: number, delivery: number, options?: CallOptions): Promise<void>;
}
