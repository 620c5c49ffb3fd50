/** The command line of a benchmark. */
import { parseArgs } from 'node:util';
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
  limits: boolean;
  /** Stops watching a scatter once all of it is submitted. */
  untilSubmitted: boolean;
  /** `startWorld`; a test that runs many benchmarks opens one world for all of them. */
  openWorld: (options: WorldOptions) => Promise<World>;
  world: Pick<WorldOptions, 'aws' | 'env' | 'profileFolder' | 'sqlLog'>;
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

/** Throws an Error that names the option that is wrong. */
export function parseOptions(args: readonly string[]): { name: string; options: BenchOptions } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tasks: { type: 'string' },
      workers: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '2' },
      cache: { type: 'string', default: 'readwrite' },
      seed: { type: 'string', default: '1' },
      connections: { type: 'string', default: '64' },
      seconds: { type: 'string', default: '10' },
      'request-ms': { type: 'string' },
      'run-ms': { type: 'string' },
      env: { type: 'string', multiple: true, default: [] },
      'no-limits': { type: 'boolean', default: false },
      profile: { type: 'string' },
      'until-submitted': { type: 'boolean', default: false },
      'sql-log': { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  });
  const [name = ''] = positionals;
  const tasks =
    values.tasks === undefined
      ? []
      : numbers(values.tasks).map((one) => whole('tasks', String(one)));
  const [least = 0, most = least] = values['run-ms'] === undefined ? [] : numbers(values['run-ms']);
  const cache = values.cache;
  if (cache !== 'off' && cache !== 'readwrite')
    throw new Error(`--cache expects off or readwrite, got ${JSON.stringify(cache)}.`);
  const aws = {
    ...(values['request-ms'] === undefined
      ? {}
      : { requestMs: whole('request-ms', values['request-ms']) }),
    ...(values['run-ms'] === undefined ? {} : { runMs: [least, most] as [number, number] }),
  };
  return {
    name,
    options: {
      tasks,
      cache,
      workers: whole('workers', values.workers),
      rounds: whole('rounds', values.rounds),
      seed: whole('seed', values.seed),
      connections: whole('connections', values.connections),
      seconds: whole('seconds', values.seconds),
      untilSubmitted: values['until-submitted'],
      limits: !values['no-limits'],
      out: values.out,
      openWorld: startWorld,
      world: {
        aws,
        sqlLog: values['sql-log'],
        env: Object.fromEntries(
          values.env.map((pair) => [
            pair.slice(0, pair.indexOf('=')),
            pair.slice(pair.indexOf('=') + 1),
          ]),
        ),
        ...(values.profile === undefined ? {} : { profileFolder: values.profile }),
      },
    },
  };
}
