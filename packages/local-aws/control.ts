/**
 * The control surface under `/_local/` of each local server. No bucket and no Batch operation can
 * have this path.
 *
 *   GET    /_local/health            {service, …}
 *   GET    /_local/ledger            {summary, recent}; with ?starts=all also every start
 *   DELETE /_local/ledger            resets all counts
 *   GET    /_local/faults            the rules, and how many times each has applied
 *   POST   /_local/faults            one rule or a list of rules (faults.ts); sets all of them or none
 *   DELETE /_local/faults[?id=…]     one rule, or all
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseFaultRule, type FaultRule, type Faults } from './faults.ts';
import { readBody } from './http-server.ts';
import type { Ledger, Service } from './ledger.ts';

const RULES_LIMIT_BYTES = 1 << 20;

export interface ControlParts {
  service: Service;
  ledger: Ledger;
  faults: Faults;
  /** Further fields of GET /_local/health. */
  health?: () => Record<string, unknown>;
}

interface Answer {
  status: number;
  body: unknown;
}

function parseRules(text: string): { rules: FaultRule[] } | { problems: string[] } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return { problems: [`The body is not valid JSON: ${String(cause)}`] };
  }
  const rules: FaultRule[] = [];
  const problems: string[] = [];
  for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
    const parsed = parseFaultRule(item);
    if ('rule' in parsed) rules.push(parsed.rule);
    else for (const problem of parsed.problems) problems.push(`rule ${index}: ${problem}`);
  }
  return problems.length > 0 ? { problems } : { rules };
}

async function setFaults(faults: Faults, request: IncomingMessage): Promise<Answer> {
  const body = await readBody(request, RULES_LIMIT_BYTES);
  if (body === undefined)
    return {
      status: 413,
      body: { problems: [`The rules are longer than ${RULES_LIMIT_BYTES} bytes.`] },
    };
  const parsed = parseRules(body.toString('utf8'));
  if ('problems' in parsed) return { status: 400, body: parsed };
  return { status: 200, body: parsed.rules.map((rule) => faults.add(rule)) };
}

function removeFaults(faults: Faults, id: string | null): Answer {
  if (id === null) {
    faults.clear();
    return { status: 200, body: faults.list() };
  }
  if (!faults.remove(id))
    return { status: 404, body: { problems: [`There is no fault with the id ${id}.`] } };
  return { status: 200, body: faults.list() };
}

function readLedger(ledger: Ledger, url: URL): Answer {
  const starts = url.searchParams.get('starts') === 'all' ? { starts: ledger.starts() } : {};
  return { status: 200, body: { summary: ledger.summary(), recent: ledger.recent(), ...starts } };
}

async function answer(
  { service, ledger, faults, health }: ControlParts,
  request: IncomingMessage,
  url: URL,
): Promise<Answer> {
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /_local/health':
      return { status: 200, body: { service, ...health?.() } };
    case 'GET /_local/ledger':
      return readLedger(ledger, url);
    case 'DELETE /_local/ledger':
      ledger.reset();
      return { status: 200, body: ledger.summary() };
    case 'GET /_local/faults':
      return { status: 200, body: faults.list() };
    case 'POST /_local/faults':
      return setFaults(faults, request);
    case 'DELETE /_local/faults':
      return removeFaults(faults, url.searchParams.get('id'));
    default:
      return {
        status: 404,
        body: {
          problems: [
            `There is no ${request.method} ${url.pathname}. See the README of @batchwell/local-aws.`,
          ],
        },
      };
  }
}

/** Answers the request if its path is under `/_local/`. Returns false for a request to AWS. */
export async function serveControl(
  parts: ControlParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (request.url === undefined || !request.url.startsWith('/_local/')) return false;
  const { status, body } = await answer(parts, request, new URL(request.url, 'http://localhost'));
  request.resume();
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
  return true;
}
