/**
 * The settings of the local Batch as a process of its own: the options of server.ts that are plain
 * JSON.
 */
import type { LocalBatchOptions } from './server.ts';
import type { RunnerKind } from './runners/choose.ts';

export interface LocalBatchSettings extends Omit<
  LocalBatchOptions,
  'ledger' | 'faults' | 'nowMs' | 'runner'
> {
  /** Default `auto`. */
  runner?: RunnerKind | 'simulated' | 'auto';
  /** How every container ends with the simulated runner. */
  simulated?: { durationMs?: number; exitCode?: number };
  /** Further flags for `podman run` or `docker run`. */
  engineFlags?: string[];
  /**
   * Containers that mount a volume at this path start without the ENTRYPOINT of their image, as under
   * a container runtime that takes it away.
   */
  withoutEntrypointAt?: string;
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0;
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isNumbers = (value: unknown) =>
  isObject(value) && Object.values(value).every((item) => typeof item === 'number' && item >= 0);
const isQueue = (value: unknown) =>
  isObject(value) && isText(value['name']) && isCount(value['slots']);
const isThrottle = (value: unknown) =>
  value === 'off' ||
  (isObject(value) && Number(value['perSecond']) > 0 && Number(value['burst']) >= 1);
const RUNNERS: unknown[] = ['auto', 'isolated', 'proot', 'container', 'simulated'];

const FIELDS: Record<
  keyof LocalBatchSettings,
  { holds: (value: unknown) => boolean; expected: string }
> = {
  dataFolder: { holds: isText, expected: 'a folder' },
  host: { holds: isText, expected: 'an address' },
  port: { holds: (value) => isCount(value) && Number(value) < 65_536, expected: 'a port' },
  queues: {
    holds: (value) => Array.isArray(value) && value.every(isQueue),
    expected: 'a list of {name, slots, priority?}',
  },
  jobEnvironment: {
    holds: (value) =>
      isObject(value) && Object.values(value).every((item) => typeof item === 'string'),
    expected: 'an object of texts',
  },
  latency: { holds: isNumbers, expected: '{requestMs?, scheduleMs?, startMs?}' },
  lag: { holds: isNumbers, expected: '{definitionMs?, listMs?}' },
  throttle: { holds: isThrottle, expected: "'off' or {perSecond, burst, operations?}" },
  minTimeoutSeconds: { holds: isCount, expected: 'whole seconds' },
  graceMs: { holds: isCount, expected: 'whole milliseconds' },
  keep: { holds: isNumbers, expected: '{finishedMs?, finishedJobs?}' },
  keepScratch: { holds: (value) => typeof value === 'boolean', expected: 'true or false' },
  region: { holds: isText, expected: 'a region' },
  accountId: { holds: isText, expected: 'an account id' },
  runner: { holds: (value) => RUNNERS.includes(value), expected: `one of ${RUNNERS.join(', ')}` },
  simulated: { holds: isNumbers, expected: '{durationMs?, exitCode?}' },
  engineFlags: {
    holds: (value) => Array.isArray(value) && value.every(isText),
    expected: 'a list of texts',
  },
  withoutEntrypointAt: { holds: isText, expected: 'a path in the container' },
};

function isSettings(
  value: Record<string, unknown>,
  problems: string[],
): value is Record<string, unknown> & LocalBatchSettings {
  for (const [name, item] of Object.entries(value)) {
    const field = Object.entries(FIELDS).find(([key]) => key === name)?.[1];
    if (field === undefined) problems.push(`${name}: no such setting`);
    else if (!field.holds(item))
      problems.push(`${name}: expected ${field.expected}, got ${JSON.stringify(item)}`);
  }
  if (value['dataFolder'] === undefined)
    problems.push('dataFolder: expected a folder, got nothing');
  return problems.length === 0;
}

/** The settings, or everything that is wrong with them. */
export function parseSettings(
  json: string,
): { settings: LocalBatchSettings } | { problems: string[] } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    return { problems: [`The settings are not valid JSON: ${String(cause)}`] };
  }
  if (!isObject(value)) return { problems: ['The settings must be a JSON object.'] };
  const problems: string[] = [];
  return isSettings(value, problems) ? { settings: value } : { problems };
}
