/** One HTTP request of AWS's REST-JSON protocol: throttled, faulted, checked, answered, counted. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultState } from '../faults.ts';
import { readBody, stackOf } from '../http-server.ts';
import type { Ledger } from '../ledger.ts';
import type { BatchContext } from './context.ts';
import {
  clientException,
  isRefusal,
  notImplemented,
  serverException,
  tooManyRequests,
  type Refusal,
  type Reply,
} from './errors.ts';
import { HANDLERS } from './operations/handlers.ts';
import { findOperation, knownMembers, problemsOf, type Operation } from './service-model.ts';
import type { Throttle } from './throttle.ts';

export interface RequestParts {
  context: BatchContext;
  ledger: Ledger;
  throttle: Throttle;
  /** Added to every answer, like the network latency to AWS. */
  requestMs: number;
}

const SUBMIT_LIMIT_BYTES = 30 * 1024;
const BODY_LIMIT_BYTES = 1024 * 1024;
const SUBJECT_MEMBERS = [
  'jobName',
  'jobDefinitionName',
  'jobDefinition',
  'jobQueueName',
  'jobId',
  'arrayJobId',
  'jobQueue',
  'resourceArn',
];

/** The text that a fault's `match` is searched in: the names and ids of the request. */
function subjectOf(body: Record<string, unknown>): string {
  return SUBJECT_MEMBERS.flatMap((member) =>
    typeof body[member] === 'string' ? [body[member]] : [],
  ).join(' ');
}

function send(response: ServerResponse, status: number, body: unknown, code?: string): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-amzn-requestid': randomUUID(),
    ...(code === undefined ? {} : { 'x-amzn-errortype': code }),
  });
  response.end(text);
}

function sendReply(response: ServerResponse, reply: Reply): { status: number; code?: string } {
  if (!isRefusal(reply)) {
    send(response, 200, reply);
    return { status: 200 };
  }
  const { status, code, message } = reply;
  send(response, status, { __type: code, message }, code);
  return { status, code };
}

function parseJson(bytes: Buffer): Record<string, unknown> | Refusal {
  if (bytes.length === 0) return {};
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Answered below, together with JSON that is not an object.
  }
  return {
    refused: true,
    status: 400,
    code: 'SerializationException',
    message: 'The request body is not a JSON object',
  };
}

async function readRequest(
  request: IncomingMessage,
  url: URL,
  operation: Operation,
  resourceArn?: string,
): Promise<Record<string, unknown> | Refusal> {
  const limit = operation.name === 'SubmitJob' ? SUBMIT_LIMIT_BYTES : BODY_LIMIT_BYTES;
  const bytes = await readBody(request, limit);
  if (bytes === undefined)
    return clientException(`The ${operation.name} request body is larger than ${limit} bytes.`);
  const parsed = parseJson(bytes);
  if (isRefusal(parsed)) return parsed;
  const tagKeys = url.searchParams.getAll('tagKeys');
  return knownMembers(operation.input, {
    ...parsed,
    ...(resourceArn === undefined ? {} : { resourceArn }),
    ...(tagKeys.length === 0 ? {} : { tagKeys }),
  });
}

/** Runs the operation. A reply that violates the service model becomes a 500 and a warning. */
export function operate(
  context: BatchContext,
  operation: Operation,
  body: Record<string, unknown>,
): Reply {
  const handler = HANDLERS.get(operation.name);
  if (handler === undefined) return notImplemented(operation.name);
  const problems = problemsOf(operation.input, body);
  if (problems.length > 0) {
    return clientException(
      `${problems.length} validation error${problems.length > 1 ? 's' : ''} detected: ${problems.join('; ')}`,
    );
  }
  let reply: Reply;
  try {
    reply = handler(context, body);
  } catch (cause) {
    process.emitWarning(`The local Batch failed on ${operation.name}: ${stackOf(cause)}`);
    return serverException(`The local Batch failed on ${operation.name}: ${String(cause)}`);
  }
  if (isRefusal(reply)) return reply;
  const broken = problemsOf(operation.output, reply);
  if (broken.length === 0) return reply;
  process.emitWarning(
    `The local Batch violated AWS's service model in ${operation.name}: ${broken.join('; ')}`,
  );
  return serverException(
    `The reply to ${operation.name} violates AWS's service model: ${broken.join('; ')}`,
  );
}

function faultAnswer(fault: FaultState): Refusal {
  const { kind, status, code, message } = fault;
  if (kind === 'throttle')
    return {
      ...tooManyRequests(),
      ...(status === undefined ? {} : { status }),
      ...(code === undefined ? {} : { code }),
    };
  return {
    refused: true,
    status: status ?? 500,
    code: code ?? 'ServerException',
    message: message ?? `The fault ${fault.id} is set.`,
  };
}

interface Outcome {
  /** Absent: the connection is cut instead. */
  reply?: Reply;
}

function play(
  { context, throttle }: RequestParts,
  operation: Operation,
  body: Record<string, unknown>,
  fault: FaultState | undefined,
): Outcome {
  if (fault?.kind === 'drop-before') return {};
  if (fault?.kind === 'error' || fault?.kind === 'throttle') return { reply: faultAnswer(fault) };
  if (!throttle.admit(operation.name, context.nowMs())) return { reply: tooManyRequests() };
  const reply = operate(context, operation, body);
  // Before the answer: what it confirms must outlive this process.
  context.journal.flush();
  if (fault?.kind === 'drop-after') return {};
  return { reply: fault?.kind === 'error-after' ? faultAnswer(fault) : reply };
}

/** Answers one request to the AWS side of the endpoint. */
export async function serveBatch(
  parts: RequestParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { context, ledger, requestMs } = parts;
  const startMs = performance.now();
  const url = new URL(request.url ?? '/', 'http://localhost');
  const found = findOperation(request.method ?? '', url.pathname);
  const name = found?.operation.name ?? 'Unknown';
  const count = (status: number, code?: string) =>
    ledger.request({
      service: 'batch',
      operation: name,
      status,
      durationMs: performance.now() - startMs,
      ...(code === undefined ? {} : { code }),
    });
  if (found === undefined) {
    request.resume();
    send(
      response,
      404,
      {
        __type: 'UnknownOperationException',
        message: `${request.method} ${url.pathname} is not an operation of AWS Batch.`,
      },
      'UnknownOperationException',
    );
    count(404, 'UnknownOperationException');
    return;
  }
  const body = await readRequest(request, url, found.operation, found.resourceArn);
  const fault = isRefusal(body) ? undefined : context.faults.next('batch', name, subjectOf(body));
  const waitMs = requestMs + (fault?.delayMs ?? 0);
  if (waitMs > 0) await sleep(waitMs);
  const { reply } = isRefusal(body) ? { reply: body } : play(parts, found.operation, body, fault);
  if (reply === undefined) {
    count(0);
    request.socket.destroy();
    return;
  }
  const { status, code } = sendReply(response, reply);
  count(status, code);
}
