/** The command line of a benchmark. */
import { parseArgs } from 'node:util';
import type { AwsSettings } from './aws-process.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';

export interface BenchOptions {
  /** Widths to run, one after another. */
  tasks: number[];
  workers: number;
  /** Scatters in the same world. The first one also warms up the processes. */
  rounds: number;
  cache: 'off' | 'readwrite';
  seed: number;
  /** Keep-alive connections. */
  connections: number;
  seconds: number;
  /** Of a soak. */
  minutes: number;
  limits: boolean;
  /** Stops watching a scatter once all of it is submitted. */
  untilSubmitted: boolean;
  /** `startWorld`; a test that runs many benchmarks opens one world for all of them. */
  openWorld: (options: WorldOptions) => Promise<World>;
  world: Pick<WorldOptions, 'aws' | 'env' | 'profileFolder' | 'sqlLog' | 'wireMs'>;
  /** Where the JSON is written. By default, a new file in bench/results. */
  out: string | undefined;
}

const numbers = (text: string): number[] => text.split(',').map(Number);

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`--${name} expects a whole number, got ${JSON.stringify(text)}.`);
  return value;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0))
    throw new Error(`--${name} expects a number above 0, got ${JSON.stringify(text)}.`);
  return value;
}

const FLAGS = {
  tasks: { type: 'string' },
  workers: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '2' },
  cache: { type: 'string', default: 'readwrite' },
  seed: { type: 'string', default: '1' },
  connections: { type: 'string', default: '64' },
  seconds: { type: 'string', default: '10' },
  minutes: { type: 'string', default: '60' },
  'request-ms': { type: 'string' },
  'run-ms': { type: 'string' },
  'wire-ms': { type: 'string' },
  env: { type: 'string', multiple: true, default: [] as string[] },
  'no-limits': { type: 'boolean', default: false },
  profile: { type: 'string' },
  'until-submitted': { type: 'boolean', default: false },
  'sql-log': { type: 'boolean', default: false },
  out: { type: 'string' },
} as const;

const parseFlags = (args: readonly string[]) =>
  parseArgs({ args: [...args], allowPositionals: true, options: FLAGS });

type Flags = ReturnType<typeof parseFlags>['values'];

/** Throws an Error that names the wrong option. */
export function parseOptions(args: readonly string[]): { name: string; options: BenchOptions } {
  const { values, positionals } = parseFlags(args);
  const [name = ''] = positionals;
  return {
    name,
    options: {
      tasks: tasksOf(values),
      cache: cacheOf(values),
      workers: whole('workers', values.workers),
      rounds: whole('rounds', values.rounds),
      seed: whole('seed', values.seed),
      connections: whole('connections', values.connections),
      seconds: whole('seconds', values.seconds),
      minutes: positive('minutes', values.minutes),
      untilSubmitted: values['until-submitted'],
      limits: !values['no-limits'],
      out: values.out,
      openWorld: startWorld,
      world: worldOf(values),
    },
  };
}

const tasksOf = ({ tasks }: Flags): number[] =>
  tasks === undefined ? [] : tasks.split(',').map((one) => whole('tasks', one));

function cacheOf({ cache }: Flags): BenchOptions['cache'] {
  if (cache === 'off' || cache === 'readwrite') return cache;
  throw new Error(`--cache expects off or readwrite, got ${JSON.stringify(cache)}.`);
}

const worldOf = (flags: Flags): BenchOptions['world'] => ({
  aws: awsOf(flags),
  sqlLog: flags['sql-log'],
  env: Object.fromEntries(flags.env.map(splitPair)),
  ...(flags['wire-ms'] !== undefined && { wireMs: whole('wire-ms', flags['wire-ms']) }),
  ...(flags.profile === undefined ? {} : { profileFolder: flags.profile }),
});

function awsOf(flags: Flags): Partial<AwsSettings> {
  const { 'request-ms': requestMs, 'run-ms': runMs } = flags;
  const [least = 0, most = least] = runMs === undefined ? [] : numbers(runMs);
  return {
    ...(requestMs === undefined ? {} : { requestMs: whole('request-ms', requestMs) }),
    ...(runMs === undefined ? {} : { runMs: [least, most] }),
  };
}

/** `NAME=VALUE` */
const splitPair = (pair: string): [string, string] => {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
};
