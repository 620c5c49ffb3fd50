/** Every operation of the client: what it takes, what it returns, and how it fails. */
import type { BatchwellEvent } from './follow-events.ts';
import type {
  CacheChanged,
  CacheEntry,
  CacheEntryDetail,
  CacheEntryQuery,
  CacheExplanation,
  CacheInvalidateRequest,
  CacheMode,
  CachePruneRequest,
  CacheStats,
  CancelTasksReply,
  CromwellDiff,
  DeliveryReply,
  ExportedEntry,
  FailureList,
  LaidAsideMessage,
  LogLine,
  MergeMode,
  Overview,
  RetryScatterReply,
  ScatterAccepted,
  ScatterCacheExplanation,
  ScatterHead,
  ScatterReply,
  ScatterRequest,
  ServiceInfo,
  TaskQuery,
  TesTask,
  TesTaskFull,
  TesTaskMinimal,
  TaskUsage,
  Timeline,
  TokenMade,
  TokenReply,
  TokenRequest,
  Validation,
  View,
  WebhookMade,
  WebhookReply,
  WebhookRequest,
  WorkerStatus,
} from './types.generated.ts';

/**
 * Every call takes a signal. An aborted call rejects with the signal's reason; the service may have
 * received it anyway.
 */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends CallOptions {
  /**
   * 1 to 255 printable ASCII characters; random by default. For a week, the same request with the
   * same key creates nothing twice, even if another process sends it.
   */
  idempotencyKey?: string | undefined;
}

export interface ScatterOptions extends SubmitOptions {
  /** Return `task_ids`. */
  ids?: boolean | undefined;
}

/** Options of a scatter whose tasks come one by one. */
export interface LineScatterOptions extends ScatterOptions {
  name?: string | undefined;
  cache?: CacheMode | undefined;
  merge?: MergeMode | undefined;
  /** Keys must not contain a colon. */
  tags?: Record<string, string> | undefined;
}

export interface ManyOptions extends LineScatterOptions {
  /**
   * Sends a scatter that is not full this long after its first task, in ms. By default, a scatter
   * is sent only when it is full or the source has ended.
   */
  lingerMs?: number | undefined;
}

export interface ManyAccepted extends ScatterAccepted {
  /** Position of its first task in the source, from 0. */
  first: number;
}

export interface WaitOptions extends CallOptions {
  /**
   * After this long, the call rejects with a DOMException named TimeoutError; the task or scatter
   * continues.
   */
  timeoutMs?: number | undefined;
}

export interface LogOptions extends CallOptions {
  /** Default stdout. */
  stream?: 'stdout' | 'stderr' | undefined;
  /** Executor of the task, counted from 0. Default 0. */
  executor?: number | undefined;
  /** Most bytes to return from the end of the log, up to 16 MiB. Default 1 MiB. */
  tailBytes?: number | undefined;
}

export interface FollowOptions extends LogOptions {
  /**
   * The `position` of a line that was read before: continue after it. `tailBytes` is then ignored.
   */
  from?: string | undefined;
}

/** A task in the requested view. */
export type TaskOf<V extends View> = V extends 'MINIMAL' ? TesTaskMinimal : TesTaskFull;

/** Filters of lists. A task must have all `tags`; an empty value matches any value. */
export type TaskFilter<V extends View = 'MINIMAL'> = Omit<
  TaskQuery,
  'tag_key' | 'tag_value' | 'view'
> &
  CallOptions & { view?: V | undefined; tags?: Record<string, string> | undefined };

/** One page, newest first. Give its `next_page_token` as the `page_token` of the next call. */
export interface TaskPage<V extends View> {
  tasks: TaskOf<V>[];
  next_page_token?: string;
}

/**
 * A call that fails rejects with a BatchwellError. It is first retried as `retry` says if a retry
 * may help: after no answer, 429, 502, 503 and 504. The status is 404 if the id does not exist or
 * belongs to another owner.
 */
export interface Client {
  readonly url: string;
  /**
   * Submits a task; resolves once it is committed. Status 400: `problems` names the fields that are
   * not valid; 409: the key was used for another task.
   */
  submit(task: TesTask, options?: SubmitOptions): Promise<{ id: string }>;
  /**
   * Submits a template with up to 10,000 rows: either all are accepted or none. Problems have their
   * `row`.
   */
  submitScatter(scatter: ScatterRequest, options?: ScatterOptions): Promise<ScatterAccepted>;
  /**
   * Submits tasks from any source, in scatters of up to 10,000 tasks and 32 MiB. Yields each
   * scatter once it is committed, and reads on when the next one is requested. If the source fails,
   * this fails with the same error; tasks since the last scatter were then not sent. Problems have
   * their `line`, counted from 1 over the whole source. With `idempotencyKey`, the scatters get the
   * keys KEY.0, KEY.1, …: the same source creates nothing twice, provided that it is divided in the
   * same way. Do not use `lingerMs` then.
   */
  submitMany(
    tasks: AsyncIterable<TesTask> | Iterable<TesTask>,
    options?: ManyOptions,
  ): AsyncGenerator<ManyAccepted, void, undefined>;
  /**
   * Submits NDJSON unchanged, as one scatter of up to 10,000 lines. A Blob is retried, a stream
   * never.
   */
  submitLines(
    lines: Blob | ReadableStream<Uint8Array>,
    options?: LineScatterOptions,
  ): Promise<ScatterAccepted>;
  /** Reads a task, in view MINIMAL by default. */
  get<V extends View = 'MINIMAL'>(
    id: string,
    options?: CallOptions & { view?: V | undefined },
  ): Promise<TaskOf<V>>;
  /** Resolves with the task once it has ended, in view FULL by default. */
  waitFor<V extends View = 'FULL'>(
    id: string,
    options?: WaitOptions & { view?: V | undefined },
  ): Promise<TaskOf<V>>;
  /** Reads one page of tasks, newest first. */
  list<V extends View = 'MINIMAL'>(filter?: TaskFilter<V>): Promise<TaskPage<V>>;
  /** Yields the tasks of all pages of `list`; each page is read when it is needed. */
  listAll<V extends View = 'MINIMAL'>(
    filter?: TaskFilter<V>,
  ): AsyncGenerator<TaskOf<V>, void, undefined>;
  /** Cancels a task. Does nothing if it has already ended. */
  cancel(id: string, options?: CallOptions): Promise<void>;
  /**
   * Cancels up to 10,000 ids, all tasks with these tags, or all tasks of a scatter. After a retry,
   * `cancelled` counts only what the last attempt cancelled.
   */
  cancelMany(
    which: { ids: readonly string[] } | { tags: Record<string, string> } | { scatter: string },
    options?: CallOptions,
  ): Promise<CancelTasksReply>;
  /** Reads a scatter with its counts. */
  scatter(id: string, options?: CallOptions): Promise<ScatterReply>;
  /** Like listAll, for the tasks of one scatter. */
  scatterTasks<V extends View = 'MINIMAL'>(
    id: string,
    filter?: TaskFilter<V>,
  ): AsyncGenerator<TaskOf<V>, void, undefined>;
  /** Groups failed tasks by reason: those of a scatter, or of the last hours (24 by default). */
  failures(
    of?: { scatter: string } | { hours: number },
    options?: CallOptions,
  ): Promise<FailureList>;
  /** Yields all scatters, newest first. */
  listScatters(options?: CallOptions): AsyncGenerator<ScatterHead, void, undefined>;
  /**
   * Resolves with the scatter once all of its tasks have ended. Costs less than waiting for each
   * task.
   */
  waitForScatter(id: string, options?: WaitOptions): Promise<ScatterReply>;
  /**
   * Yields changes of a task, of a scatter and its tasks, of the tasks with these tags, or of all
   * tasks. Ends when the task or the scatter ends; reconnects and continues after a broken
   * connection. An event holds the state of the task when it is sent: the same state may come
   * twice, and a state that lasted only a moment not at all.
   */
  events(
    of?: { task: string } | { scatter: string } | { tags: Record<string, string> },
    options?: CallOptions & { lastEventId?: string | undefined },
  ): AsyncGenerator<BatchwellEvent, void, undefined>;
  /**
   * Reads the end of what an executor of the latest attempt printed; while it runs, what has
   * arrived so far. Status 404 until there is output.
   */
  logs(id: string, options?: LogOptions): Promise<string>;
  /**
   * Yields the same output and then what follows, through all attempts, until the task has ended.
   * Each line has a `text`, or says that the output starts over (`began`) or that bytes are missing
   * (`skipped_bytes`). Continues after a broken connection, with every character once. Reads
   * nothing ahead of the consumer.
   */
  followLog(id: string, options?: FollowOptions): AsyncGenerator<LogLine, void, undefined>;
  /** Reads the exact script that the task runs, without secrets. */
  script(id: string, options?: CallOptions): Promise<string>;
  /** Reads how the time of the task was spent. */
  timeline(id: string, options?: CallOptions): Promise<Timeline>;
  /** What the task asked for, and what its executors used. */
  usage(id: string, options?: CallOptions): Promise<TaskUsage>;
  /** Explains why a task was a cache hit or a miss; with `other`, how the two tasks differ. */
  explainCache(
    id: string,
    options?: CallOptions & { other?: string | undefined },
  ): Promise<CacheExplanation>;
  /** Explains a scatter: how many of its tasks hit or missed the cache for which reason. */
  explainScatterCache(id: string, options?: CallOptions): Promise<ScatterCacheExplanation>;
  /** Compares two tasks in the form of Cromwell's callcaching diff. */
  cromwellDiff(a: string, b: string, options?: CallOptions): Promise<CromwellDiff>;
  /** Yields your entries of the call cache, newest first; each page is read when it is needed. */
  cacheEntries(
    filter?: Omit<CacheEntryQuery, 'page_token'> & CallOptions,
  ): AsyncGenerator<CacheEntry, void, undefined>;
  /** Reads the entry that a task wrote. */
  cacheEntry(task: string, options?: CallOptions): Promise<CacheEntryDetail>;
  /** Counts entries, and what their hits saved. */
  cacheStats(options?: CallOptions): Promise<CacheStats>;
  /** Invalidates entries: they give no hits any more. Needs the scope cancel. */
  invalidateCache(which: CacheInvalidateRequest, options?: CallOptions): Promise<CacheChanged>;
  /** Deletes entries that are not used, or can no longer be used. Needs the scope cancel. */
  pruneCache(which: CachePruneRequest, options?: CallOptions): Promise<CacheChanged>;
  /** Yields all entries with what their inputs held and with their outputs, newest first. */
  exportCache(options?: CallOptions): AsyncGenerator<ExportedEntry, void, undefined>;
  /** Dry run: returns how the task would run, and stores nothing. Status 400 as for `submit`. */
  validate(task: TesTask, options?: CallOptions): Promise<Validation>;
  /** Reads the TES service info. */
  serviceInfo(options?: CallOptions): Promise<ServiceInfo>;
  /**
   * Retries the failed tasks of a scatter as a new scatter: all, or those of some groups of
   * `failures`. Status 409: no task of it has failed.
   */
  retryScatter(
    id: string,
    options?: SubmitOptions & { groups?: readonly string[] | undefined },
  ): Promise<RetryScatterReply>;
  /** Retries a task that failed or was cancelled, as a new task. Status 409: it did not fail. */
  retryTask(id: string, options?: SubmitOptions): Promise<{ id: string }>;
  /** Reads the state of the fleet. */
  overview(options?: CallOptions): Promise<Overview>;
  /**
   * Pauses a stage: no worker takes its messages, and those in progress are finished. Needs the
   * scope admin, like the next six operations.
   */
  pauseStage(stage: string, options?: CallOptions): Promise<void>;
  /** Resumes a paused stage. */
  resumeStage(stage: string, options?: CallOptions): Promise<void>;
  /** Lists the workers of the fleet, oldest first. */
  listWorkers(options?: CallOptions): Promise<WorkerStatus[]>;
  /** Drains a worker: it takes no new messages, and finishes those that it has. */
  drainWorker(id: string, options?: CallOptions): Promise<void>;
  /** Lets a drained worker take messages again. */
  resumeWorker(id: string, options?: CallOptions): Promise<void>;
  /** Lists messages that failed too many times and were laid aside, latest first. */
  laidAside(options?: CallOptions): Promise<LaidAsideMessage[]>;
  /** Retries messages of a stage that were laid aside: all, or these. Returns how many. */
  retryMessages(
    which: { stage: string; ids?: readonly string[] },
    options?: CallOptions,
  ): Promise<number>;
  /**
   * Creates a token. Needs a token of scope admin, like the next two operations. A retry may create
   * a second token, whose secret is lost.
   */
  createToken(rights: TokenRequest, options?: CallOptions): Promise<TokenMade>;
  /** Lists all tokens, newest first, including revoked ones. */
  listTokens(options?: CallOptions): Promise<TokenReply[]>;
  /** Revokes a token. Within 10 seconds no API accepts it. */
  revokeToken(id: number, options?: CallOptions): Promise<void>;
  /**
   * Creates a webhook: a URL that is notified when your tasks and scatters end. Status 400: the
   * operator does not allow its origin; 409: the operator allows no origin, or you have too many
   * webhooks. A retry may create a second webhook.
   */
  createWebhook(wants: WebhookRequest, options?: CallOptions): Promise<WebhookMade>;
  /** Lists your webhooks, newest first. */
  listWebhooks(options?: CallOptions): Promise<WebhookReply[]>;
  /** Deletes a webhook. Its pending deliveries are dropped. */
  deleteWebhook(id: number, options?: CallOptions): Promise<void>;
  /** Sends a ping, to test a receiver. */
  pingWebhook(id: number, options?: CallOptions): Promise<void>;
  /**
   * Yields the deliveries of the last week and the pending ones, newest first; each page is read
   * when it is needed.
   */
  deliveries(
    id: number,
    options?: CallOptions & { state?: DeliveryReply['state'] | undefined },
  ): AsyncGenerator<DeliveryReply, void, undefined>;
  /** Repeats a delivery that was delivered or given up. */
  redeliver(id: number, delivery: number, options?: CallOptions): Promise<void>;
}
