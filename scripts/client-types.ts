/**
 * The client's types, from the schemas by which the API describes itself. openapi-typescript needs TypeScript 5 and its
 * syntax tree, which TypeScript 7 no longer has; what these schemas use of JSON Schema fits into one file.
 */
import { writeFile } from 'node:fs/promises';
import { Type } from 'typebox';
import { CancelTasksReply, CancelTasksRequest } from '../api/routes/bulk-cancel.ts';
import { CacheExplanation } from '../api/routes/cache.ts';
import { ServiceInfo } from '../api/routes/service-info.ts';
import { Timeline } from '../api/routes/timeline.ts';
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
import { cacheModes } from '../core/task/task.ts';

/** What the schemas in use hold of JSON Schema. */
interface Schema {
  type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  description?: string;
  default?: unknown;
  enum?: readonly string[];
  anyOf?: readonly Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: readonly string[];
}

/** By name, with a sentence for whoever hovers over it. What comes later may be made of what came before. */
const named: Record<string, [schema: object, sentence: string]> = {
  TesState: [
    tes.TesState,
    'Where a task stands. It has ended at COMPLETE, EXECUTOR_ERROR, SYSTEM_ERROR, CANCELED and PREEMPTED.',
  ],
  View: [
    Type.Enum(tes.views),
    'How much of a task is asked for: MINIMAL is its id and state, FULL is all.',
  ],
  CacheMode: [
    Type.Enum(cacheModes),
    'What a task does with the call cache; refresh runs it and writes.',
  ],
  TesInput: [tes.TesInput, 'A file or directory that is there when the task starts.'],
  TesOutput: [tes.TesOutput, 'What is kept when the task has ended.'],
  TesExecutor: [tes.TesExecutor, 'One container; a task’s executors run one after the other.'],
  TesResources: [tes.TesResources, 'What a task needs to run.'],
  TesTask: [tes.TesTaskRequest, 'A GA4GH TES 1.1 task as it is submitted.'],
  TesExecutorLog: [tes.TesExecutorLog, 'How one executor ended, with the end of what it printed.'],
  TesOutputFileLog: [tes.TesOutputFileLog, 'A file that the task made.'],
  TesTaskLog: [tes.TesTaskLog, 'One attempt of a task.'],
  TesTaskMinimal: [tes.TesTaskMinimal, 'A task in view MINIMAL.'],
  TesTaskFull: [
    tes.TesTaskFull,
    'A task in view FULL, and in view BASIC without contents and what was printed. `logs` holds its attempts; see finalLog.',
  ],
  TaskQuery: [ListQuery, 'Which tasks a list shows, newest first.'],
  ScatterRequest: [ScatterRequest, 'Up to 10,000 tasks, all of them or none.'],
  ScatterAccepted: [
    ScatterAccepted,
    'A scatter that is committed; `tasks` is their number, `task_ids` are in the order of the rows.',
  ],
  ScatterHead: [ScatterHead, 'A scatter in a list.'],
  ScatterList: [ScatterList, 'One page of scatters, newest first.'],
  ScatterReply: [ScatterReply, 'How many tasks of a scatter stand where.'],
  CancelTasksRequest: [CancelTasksRequest, 'Which tasks are to be cancelled.'],
  CancelTasksReply: [CancelTasksReply, 'What was cancelled.'],
  TaskEvent: [TaskEvent, 'Where a task stands, as events tell it.'],
  Validation: [Validation, 'What would come of a task.'],
  LogLine: [LogLine, 'A line of a followed log.'],
  Timeline: [Timeline, 'Where the time of a task went.'],
  CacheExplanation: [CacheExplanation, 'Why a task hits the call cache, or misses it.'],
  ServiceInfo: [ServiceInfo, 'What the service is, in GA4GH’s words.'],
  TokenRequest: [TokenRequest, 'Whose a token is, and what it allows.'],
  TokenReply: [TokenReply, 'A token as it is listed; the secret is kept nowhere.'],
  TokenMade: [TokenMade, 'A token with its secret, which is shown only now.'],
  WebhookRequest: [WebhookRequest, 'Who is told by HTTP, and what.'],
  WebhookReply: [WebhookReply, 'A webhook as it is listed; its secret was shown when it was made.'],
  WebhookMade: [WebhookMade, 'A webhook with its secret, which is shown only now.'],
  DeliveryReply: [DeliveryReply, 'What a webhook was told, or is still to be told.'],
  DeliveryList: [DeliveryList, 'One page of deliveries, newest first.'],
  Problem: [Problem, 'What is wrong with one field.'],
  Failure: [Failure, 'The body of every answer that is not 2xx.'],
};

/** Two schemas of equal form are one type, whatever is said about them. */
const formOf = (schema: object): string =>
  JSON.stringify(schema, (key, value: unknown) =>
    ['description', 'title', 'default'].includes(key) && typeof value !== 'object'
      ? undefined
      : value,
  );

/** The whole of packages/client/types.generated.ts. Throws for a schema that it cannot tell in TypeScript. */
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
  if (schema.anyOf) return schema.anyOf.map((one) => typeText(one, names, indent)).join(' | ');
  if (schema.type === 'array')
    return arrayText(typeText(schema.items ?? {}, names, indent), schema.items);
  if (schema.type === 'object') return objectText(schema, names, indent);
  if (schema.type === 'integer') return 'number';
  if (schema.type !== undefined) return schema.type;
  const unknownKeys = Object.keys(schema).filter((key) => key !== 'description');
  if (unknownKeys.length > 0)
    throw new Error(
      `A schema of the API uses ${unknownKeys.join(', ')}, which scripts/client-types.ts does not know.`,
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
  const said = [
    schema.description,
    schema.default === undefined ? undefined : `Without it: ${String(schema.default)}`,
  ].filter((text) => text !== undefined);
  return said.length === 0 ? '' : `${indent}/** ${said.join('. ')} */\n`;
}

export async function writeClientTypes(): Promise<void> {
  await writeFile(new URL('../packages/client/types.generated.ts', import.meta.url), clientTypes());
}
