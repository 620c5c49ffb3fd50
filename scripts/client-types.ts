/**
 * Generates the types of the client from the schemas of the API. openapi-typescript needs the syntax tree of
 * TypeScript 5, which TypeScript 7 no longer has. The part of JSON Schema that the API uses fits in one file.
 */
import { writeFile } from 'node:fs/promises';
import { Type } from 'typebox';
import { CancelTasksReply, CancelTasksRequest } from '../api/routes/bulk-cancel.ts';
import { CacheExplanation, ScatterCacheExplanation } from '../api/routes/cache.ts';
import * as cache from '../api/schemas/cache.ts';
import { ServiceInfo } from '../api/routes/service-info.ts';
import * as fleet from '../api/schemas/fleet.ts';
import * as summaries from '../api/schemas/summaries.ts';
import { Timeline } from '../api/routes/timeline.ts';
import { TaskUsage } from '../api/routes/usage.ts';
import { Validation } from '../api/routes/validate.ts';
import { LogLine } from '../api/schemas/logs.ts';
import { Failure, Problem } from '../api/schemas/replies.ts';
import {
  ScatterAccepted,
  ScatterHead,
  ScatterList,
  ScatterReply,
  ScatterRequest,
} from '../api/schemas/scatters.ts';
import { TaskEvent } from '../api/schemas/events.ts';
import * as tes from '../api/schemas/tes.ts';
import { TokenMade, TokenReply, TokenRequest } from '../api/schemas/tokens.ts';
import { ListQuery } from '../api/tasks/list.ts';
import {
  DeliveryList,
  DeliveryReply,
  WebhookMade,
  WebhookReply,
  WebhookRequest,
} from '../api/schemas/webhooks.ts';
import { cacheModes, mergeModes } from '../core/task/task.ts';

/** The part of JSON Schema that the API uses. */
interface Schema {
  type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';
  description?: string;
  default?: unknown;
  enum?: readonly string[];
  anyOf?: readonly Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: readonly string[];
}

/** Schemas by name, with a sentence for editors to show. A schema can use those before it. */
const named: Record<string, [schema: object, sentence: string]> = {
  TesState: [
    tes.TesState,
    'State of a task. COMPLETE, EXECUTOR_ERROR, SYSTEM_ERROR, CANCELED and PREEMPTED are final.',
  ],
  View: [
    Type.Enum(tes.views),
    'How much of a task a reply shows: MINIMAL is its id and state, FULL is everything.',
  ],
  CacheMode: [
    Type.Enum(cacheModes),
    'How a task uses the call cache; refresh runs the task and writes its entry.',
  ],
  MergeMode: [
    Type.Enum(mergeModes),
    'Whether a task waits for an equal one that is in flight, to take its outputs.',
  ],
  TesInput: [tes.TesInput, 'A file or directory that exists when the task starts.'],
  TesOutput: [tes.TesOutput, 'A file or directory that is kept when the task has ended.'],
  TesExecutor: [tes.TesExecutor, 'One container; a task’s executors run one after the other.'],
  TesResources: [tes.TesResources, 'The resources that a task needs.'],
  TesTask: [tes.TesTaskRequest, 'A GA4GH TES 1.1 task as it is submitted.'],
  TesExecutorLog: [tes.TesExecutorLog, 'How one executor ended, with the end of its output.'],
  TesOutputFileLog: [tes.TesOutputFileLog, 'A file that the task created.'],
  TesTaskLog: [tes.TesTaskLog, 'One attempt of a task.'],
  TesTaskMinimal: [tes.TesTaskMinimal, 'A task in view MINIMAL.'],
  TesTaskFull: [
    tes.TesTaskFull,
    'A task in view FULL; view BASIC leaves out input contents and output of the task. `logs` has its attempts; see finalLog.',
  ],
  TaskQuery: [ListQuery, 'Which tasks a list shows, newest first.'],
  ScatterRequest: [ScatterRequest, 'Up to 10,000 tasks: all of them are stored, or none.'],
  ScatterAccepted: [
    ScatterAccepted,
    'A committed scatter. `tasks` is the number of tasks, and `equal_rows` counts those that do the same as an earlier row; `task_ids` is in the order of the rows.',
  ],
  ScatterHead: [ScatterHead, 'A scatter in a list.'],
  ScatterList: [ScatterList, 'One page of scatters, newest first.'],
  ScatterReply: [ScatterReply, 'A scatter with the number of its tasks in each place and state.'],
  CancelTasksRequest: [CancelTasksRequest, 'The tasks to cancel.'],
  CancelTasksReply: [CancelTasksReply, 'The result of a cancel.'],
  TaskEvent: [TaskEvent, 'The state of a task, as events and webhooks report it.'],
  Validation: [Validation, 'How a task would run.'],
  LogLine: [LogLine, 'A line of a followed log.'],
  TaskUsage: [TaskUsage, 'What a task asked for, and what its executors used.'],
  Timeline: [Timeline, 'How long a task spent in each step.'],
  CacheExplanation: [CacheExplanation, 'Why a task hits the call cache, or misses it.'],
  ScatterCacheExplanation: [
    ScatterCacheExplanation,
    'Why the tasks of a scatter hit the call cache or miss it, grouped.',
  ],
  CacheEntry: [cache.CacheEntry, 'An entry of the call cache in a list.'],
  CacheEntryQuery: [cache.CacheEntryQuery, 'Which entries a list shows, newest first.'],
  CacheEntryList: [cache.CacheEntryList, 'One page of entries, newest first.'],
  CacheEntryDetail: [cache.CacheEntryDetail, 'An entry of the call cache with its outputs.'],
  CacheStats: [cache.CacheStats, 'How many entries there are, and what their hits saved.'],
  CacheInvalidateRequest: [cache.CacheInvalidateRequest, 'The entries to invalidate, and why.'],
  CachePruneRequest: [cache.CachePruneRequest, 'The entries to delete.'],
  CacheChanged: [cache.CacheChanged, 'How many entries were invalidated or deleted.'],
  ExportedEntry: [cache.ExportedEntry, 'An entry of the call cache with all that is known of it.'],
  CacheExport: [cache.CacheExport, 'One page of exported entries, newest first.'],
  CromwellDiff: [cache.CromwellDiff, 'Two tasks in the form of Cromwell’s callcaching diff.'],
  ServiceInfo: [ServiceInfo, 'The GA4GH service-info document.'],
  TokenRequest: [TokenRequest, 'A new token: its owner, and what it allows.'],
  TokenReply: [TokenReply, 'A token as it is listed. The token itself is not stored.'],
  TokenMade: [TokenMade, 'A created token, which is shown only once.'],
  WebhookRequest: [WebhookRequest, 'A new webhook: its URL, and what it is notified of.'],
  WebhookReply: [
    WebhookReply,
    'A webhook as it is listed. Its secret was shown when it was created.',
  ],
  WebhookMade: [WebhookMade, 'A created webhook with its secret, which is shown only once.'],
  DeliveryReply: [DeliveryReply, 'A delivery of a webhook: completed, pending or abandoned.'],
  DeliveryList: [DeliveryList, 'One page of deliveries, newest first.'],
  Session: [fleet.Session, 'Who is calling, and what the token allows.'],
  StageStatus: [fleet.StageStatus, 'What is at one stage, and who works on it.'],
  Overview: [fleet.Overview, 'How the fleet is.'],
  WorkerStatus: [fleet.WorkerStatus, 'A worker process of the fleet.'],
  LaidAsideMessage: [fleet.LaidAsideMessage, 'A message that failed too many times.'],
  TaskSummary: [summaries.TaskSummary, 'A task as a row of a table.'],
  SummaryList: [summaries.SummaryList, 'One page of tasks, newest first.'],
  FailureList: [summaries.FailureList, 'Failed tasks, grouped by reason.'],
  RetryScatterReply: [summaries.RetryScatterReply, 'The scatter that retries another one.'],
  ScatterSteps: [summaries.ScatterSteps, 'How long the tasks of a scatter spent in each step.'],
  Problem: [Problem, 'A problem with one field.'],
  Failure: [Failure, 'The body of every reply that is not 2xx.'],
};

/** Two schemas of the same form are one type, whatever their descriptions. */
/** Limits that TypeScript cannot express. */
const LIMITS = new Set(['minItems', 'maxItems', 'oneOf']);

const formOf = (schema: object): string =>
  JSON.stringify(schema, (key, value: unknown) => {
    const isRequired = key === 'anyOf' && JSON.stringify(value).startsWith('[{"required"');
    const isText = ['description', 'title', 'default'].includes(key) && typeof value !== 'object';
    return LIMITS.has(key) || isRequired || isText ? undefined : value;
  });

/** The text of packages/client/types.generated.ts. Throws for a schema that it cannot express in TypeScript. */
export function clientTypes(): string {
  const names = new Map<string, string>();
  const types = Object.entries(named).map(([name, [schema, sentence]]) => {
    const text = typeText(schema as Schema, names, '');
    names.set(formOf(schema), name);
    return `/** ${sentence} */\n${text.startsWith('{') ? `export interface ${name} ${text}` : `export type ${name} = ${text};`}\n`;
  });
  return `/** Generated by \`npm run generate\` from the schemas of the API (scripts/client-types.ts). */\n\n${types.join('\n')}`;
}

function typeText(schema: Schema, names: ReadonlyMap<string, string>, indent: string): string {
  const name = names.get(formOf(schema));
  if (name !== undefined) return name;
  if (schema.enum) return schema.enum.map((value) => `'${value}'`).join(' | ');
  if (schema.anyOf && schema.type !== 'object')
    return schema.anyOf.map((one) => typeText(one, names, indent)).join(' | ');
  if (schema.type === 'array')
    return arrayText(typeText(schema.items ?? {}, names, indent), schema.items);
  if (schema.type === 'object') return objectText(schema, names, indent);
  if (schema.type === 'integer') return 'number';
  if (schema.type !== undefined) return schema.type;
  const unknownKeys = Object.keys(schema).filter((key) => key !== 'description');
  if (unknownKeys.length > 0)
    throw new Error(
      `A schema of the API uses ${unknownKeys.join(', ')}, which this generator does not support. Extend scripts/client-types.ts.`,
    );
  return 'unknown';
}

const arrayText = (item: string, schema: Schema = {}): string =>
  (schema.anyOf ?? schema.enum) ? `(${item})[]` : `${item}[]`;

function objectText(schema: Schema, names: ReadonlyMap<string, string>, indent: string): string {
  const [values] = Object.values(schema.patternProperties ?? {});
  if (values) return `Record<string, ${typeText(values, names, indent)}>`;
  const inner = `${indent}  `;
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => {
    const optional = schema.required?.includes(name) ? '' : '?';
    const key = /^\w+$/.test(name) ? name : `'${name}'`;
    return `${docText(member, inner)}${inner}${key}${optional}: ${typeText(member, names, inner)};\n`;
  });
  return `{\n${members.join('')}${indent}}`;
}

function docText(schema: Schema, indent: string): string {
  const sentences = [
    schema.description,
    schema.default === undefined ? undefined : `Default: ${String(schema.default)}`,
  ].filter((text) => text !== undefined);
  return sentences.length === 0 ? '' : `${indent}/** ${sentences.join('. ')} */\n`;
}

export async function writeClientTypes(): Promise<void> {
  await writeFile(new URL('../packages/client/types.generated.ts', import.meta.url), clientTypes());
}
