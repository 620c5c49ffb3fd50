/** What a page shows of many tasks: rows of a table, the oldest unfinished ones, and failures by reason. */
import type { Static } from 'typebox';
import { publicId } from '../../core/ids.ts';
import { problemAt } from '../../core/problems.ts';
import { groupFailures } from '../../core/retry/group-failures.ts';
import type { ScatterView } from '../../core/scatter/scatter-view.ts';
import { standingsOf, type StandingFilter } from '../../core/task/tes-state.ts';
import { listStandings } from '../../db/task-lists.ts';
import {
  listOldestUnfinished,
  readFailedOf,
  readRecentFailures,
  readScatterSpans,
  type FailedRow,
} from '../../db/task-summaries.ts';
import { readStandings } from '../../db/task-views.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { notFound, refusal } from '../http/errors.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { failures, TextId } from '../schemas/replies.ts';
import {
  FailureList,
  FailureQuery,
  OldestQuery,
  ScatterSteps,
  SummaryList,
  SummaryQuery,
  TaskSummary,
} from '../schemas/summaries.ts';
import { tagsOf } from '../tasks/list.ts';
import { summarize } from '../tasks/summaries.ts';
import { findScatter } from './scatters.ts';

const tags = ['Tasks'];
const PAGE_SIZE = 100;
const HOUR_MS = 3_600_000;
/** Reading and grouping as many takes about 50 ms. */
const MOST_FAILURES = 5000;

export function summaryRoutes(api: Api, context: ApiContext): void {
  listRoute(api, context);
  oldestRoute(api, context);
  failureRoute(api, context);
  stepsRoute(api, context);
  oneRoute(api, context);
}

/** Undefined without a scatter in the query, null for one that is not the caller's. */
async function scatterIn(
  context: ApiContext,
  owner: string,
  id: string | undefined,
): Promise<ScatterView | undefined | null> {
  return id === undefined ? undefined : ((await findScatter(context, owner, id)) ?? null);
}

function standingOf({ state, failure }: Static<typeof SummaryQuery>): StandingFilter | undefined {
  if (failure !== undefined) return { places: [], failures: { codes: [failure], among: true } };
  return state && standingsOf(state);
}

function listRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'List tasks as rows of a table, newest first',
    querystring: SummaryQuery,
    response: { 200: SummaryList, ...failures },
  };
  api.get('/summaries', { schema }, async (request, reply) => {
    const { query } = request;
    const { owner } = request.caller.access;
    const beforeId = readPageToken(query.page_token);
    if (beforeId === 'malformed')
      return reply
        .code(400)
        .send(refusal([problemAt('page_token', PAGE_TOKEN_EXPECTED, query.page_token)]));
    const scatter = await scatterIn(context, owner, query.scatter);
    if (scatter === null) return reply.code(404).send(notFound('scatter', query.scatter ?? ''));
    const size = query.page_size ?? PAGE_SIZE;
    const read = await listStandings(context.database.pool, {
      owner,
      namePrefix: query.name_prefix,
      standing: standingOf(query),
      tags: tagsOf(query),
      scatterId: scatter?.id,
      beforeId,
      limit: size + 1,
    });
    const { items, next } = cutPage(read, size);
    return reply.send({
      tasks: await summarize(context, items),
      ...(next !== undefined && { next_page_token: next }),
    });
  });
}

function oldestRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'List the unfinished tasks that were accepted first',
    querystring: OldestQuery,
    response: { 200: SummaryList, ...failures },
  };
  api.get('/summaries/oldest', { schema }, async (request, reply) => {
    const { pool } = context.database;
    const { owner } = request.caller.access;
    const { scatter: wanted, limit = 10 } = request.query;
    const scatter = await scatterIn(context, owner, wanted);
    if (scatter === null) return reply.code(404).send(notFound('scatter', wanted ?? ''));
    const ids = await listOldestUnfinished(pool, { owner, scatterId: scatter?.id, limit });
    const standings = await readStandings(pool, ids);
    const inOrder = standings.toSorted((one, other) => one.id - other.id);
    return reply.send({ tasks: await summarize(context, inOrder) });
  });
}

function failureRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Group failed tasks by reason: of a scatter, or of the last hours',
    querystring: FailureQuery,
    response: { 200: FailureList, ...failures },
  };
  api.get('/failures', { schema }, async (request, reply) => {
    const { pool } = context.database;
    const { owner } = request.caller.access;
    const { scatter: wanted, hours = 24 } = request.query;
    const scatter = await scatterIn(context, owner, wanted);
    if (scatter === null) return reply.code(404).send(notFound('scatter', wanted ?? ''));
    const rows = scatter
      ? await readFailedOf(pool, scatter.id)
      : await readRecentFailures(pool, {
          owner,
          sinceMs: context.nowMs() - hours * HOUR_MS,
          most: MOST_FAILURES,
        });
    return reply.send(viewFailures(rows, { isWhole: scatter !== undefined }));
  });
}

const failedTasks = (rows: readonly FailedRow[]) =>
  rows.map((row) => ({
    id: publicId('task', row),
    code: row.failureCode,
    sentence: row.failure ?? '',
    endedMs: row.endedMs,
  }));

const viewFailures = (
  rows: readonly FailedRow[],
  { isWhole }: { isWhole: boolean },
): FailureList => ({
  failed: rows.length,
  more: !isWhole && rows.length >= MOST_FAILURES,
  groups: groupFailures(failedTasks(rows)).map((group) => ({
    key: group.key,
    code: group.code,
    message: group.sentence,
    tasks: group.tasks,
    first: rfc3339(group.firstMs),
    last: rfc3339(group.lastMs),
    examples: group.examples,
  })),
});

function stepsRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Scatters'],
    summary: 'Get how long the tasks of a scatter spent in each step',
    params: TextId,
    response: { 200: ScatterSteps, ...failures },
  };
  api.get('/scatters/:id/steps', { schema }, async (request, reply) => {
    const scatter = await findScatter(context, request.caller.access.owner, request.params.id);
    if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
    const spans = await readScatterSpans(context.database.pool, scatter.id);
    return reply.send({
      steps: spans.map(({ step, tasks, meanMs, longestMs }) => ({
        step,
        tasks,
        mean_ms: meanMs,
        longest_ms: longestMs,
      })),
    });
  });
}

function oneRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Get a task as a row of a table',
    params: TextId,
    response: { 200: TaskSummary, ...failures },
  };
  api.get('/tasks/:id/summary', { schema }, async (request, reply) => {
    const standing = await context.reader.find(request.caller.access.owner, request.params.id);
    const [summary] = standing ? await summarize(context, [standing]) : [];
    return summary
      ? reply.send(summary)
      : reply.code(404).send(notFound('task', request.params.id));
  });
}
