/**
 * The secrets of Secrets Manager and the parameters of Systems Manager, played: `secrets.json` in
 * the data folder holds `{"ARN": "value"}`. It is read when a container starts, so that it can be
 * changed at any time, and its values are in no journal, list or reply.
 */
import { readFileSync } from 'node:fs';
import type { ContainerExtras } from './jobs.ts';

const ARN_FIELDS = 7;

export type FoundSecrets = { values: Record<string, string> } | { reason: string };

function readAll(file: string): Record<string, unknown> {
  try {
    const all: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof all === 'object' && all !== null ? { ...all } : {};
  } catch {
    return {};
  }
}

/** `ARN:key:stage:version` names one value of a secret that is a JSON object. */
function valueIn(all: Record<string, unknown>, arn: string): string | undefined {
  if (typeof all[arn] === 'string') return all[arn];
  const fields = arn.split(':');
  const [whole, key] = [all[fields.slice(0, ARN_FIELDS).join(':')], fields[ARN_FIELDS] ?? ''];
  if (typeof whole !== 'string') return undefined;
  if (key === '') return whole;
  try {
    const value = (JSON.parse(whole) as Record<string, unknown>)[key];
    return value === undefined ? undefined : String(value);
  } catch {
    return undefined;
  }
}

const notFound = (arn: string): string =>
  'ResourceInitializationError: unable to pull secrets or registry auth: execution resource ' +
  'retrieval failed: unable to retrieve secret from asm: service call has been retried 1 ' +
  `time(s): failed to fetch secret ${arn} from secrets manager: ResourceNotFoundException: ` +
  "Secrets Manager can't find the specified secret.";

/** The variables of a container, or in AWS's words why it cannot start. */
export function findSecrets(file: string, { secrets = [], login }: ContainerExtras): FoundSecrets {
  if (secrets.length === 0 && login === undefined) return { values: {} };
  const all = readAll(file);
  const values: [string, string][] = [];
  for (const { name, arn } of [
    ...secrets,
    ...(login === undefined ? [] : [{ name: '', arn: login }]),
  ]) {
    const value = valueIn(all, arn);
    if (value === undefined) return { reason: notFound(arn) };
    if (name !== '') values.push([name, value]);
  }
  return { values: Object.fromEntries(values) };
}
