/** Results as rows of numbers: a table to read, and a JSON file to compare. */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { AwsCounts } from './aws-process.ts';
import type { Spread } from './meters.ts';
import type { Snapshot } from './world.ts';
import type { WorkerMeters } from './worker-process.ts';

export type Row = Record<string, number>;

/** By what was measured, such as `10000 wide, round 1`. */
export type Rows = Record<string, Row>;

export interface BenchRun {
  bench: string;
  at: string;
  commit: string;
  machine: { cpu: string; cores: number; node: string; loadBefore: number; loadAfter: number };
  options: Record<string, unknown>;
  rows: Rows;
}

const rounded = (value: number): string => {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
};

export function printRows(rows: Rows): void {
  const columns = Object.keys(rows);
  const names = [...new Set(Object.values(rows).flatMap((row) => Object.keys(row)))];
  const cells = [
    ['', ...columns],
    ...names.map((name) => [
      name,
      ...columns.map((column) =>
        rows[column]?.[name] === undefined ? '-' : rounded(rows[column][name]),
      ),
    ]),
  ];
  const widths =
    cells[0]?.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0))) ?? [];
  for (const line of cells)
    console.log(
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    );
}

export async function saveRun(run: {
  bench: string;
  options: Record<string, unknown>;
  rows: Rows;
  loadBefore: number;
  into?: string;
}): Promise<string> {
  const at = new Date().toISOString();
  const folder = new URL('results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const path =
    run.into ?? fileURLToPath(new URL(`${run.bench}-${at.replaceAll(/[:.]/g, '-')}.json`, folder));
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: folder,
    encoding: 'utf8',
  }).trim();
  const machine = {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    node: process.version,
    loadBefore: run.loadBefore,
    loadAfter: loadavg()[0] ?? 0,
  };
  const { bench, options, rows } = run;
  const saved: BenchRun = { bench, at, commit, machine, options, rows };
  await writeFile(path, `${JSON.stringify(saved, null, 2)}\n`);
  return path;
}

/** The fleet's requests to one AWS service. */
export const countRequests = ({ requests }: AwsCounts, service: 'batch' | 's3'): number =>
  Object.entries(requests)
    .filter(([operation]) => operation.startsWith(`${service}.`))
    .reduce((sum, [, { count }]) => sum + count, 0);

/** AWS requests of the fleet for each task. */
export function requestRows(counts: AwsCounts, tasks: number): Row {
  const { requests } = counts;
  const row: Row = {};
  for (const service of ['batch', 's3'] as const) {
    const counted = Object.entries(requests).filter(
      ([operation, { count }]) => operation.startsWith(`${service}.`) && count > 0,
    );
    row[`${service} requests/task`] = countRequests(counts, service) / tasks;
    for (const [operation, { count }] of counted) row[operation] = count;
  }
  row['429'] = Object.values(requests).reduce(
    (sum, { byCode }) => sum + (byCode['TooManyRequestsException'] ?? 0),
    0,
  );
  return row;
}

export const spreadRow = (name: string, { p50, p95, p99, most }: Spread): Row => ({
  [`${name} p50 ms`]: p50,
  [`${name} p95 ms`]: p95,
  [`${name} p99 ms`]: p99,
  [`${name} most ms`]: most,
});

/** CPU, memory and statements between two snapshots. */
export function usageRows(before: Snapshot, after: Snapshot, tasks: number): Row {
  const row: Row = {};
  for (const [name, usage] of Object.entries(after.usage)) {
    const cpuSeconds = usage.cpuSeconds - (before.usage[name]?.cpuSeconds ?? 0);
    row[`${name} CPU ms/task`] = (cpuSeconds * 1000) / tasks;
    row[`${name} peak MB`] = usage.peakMb;
  }
  row['redis used MB'] = after.servers.redisMb;
  row['SQL statements/task'] = (after.servers.sqlStatements - before.servers.sqlStatements) / tasks;
  row['SQL commits/task'] = (after.servers.sqlCommits - before.servers.sqlCommits) / tasks;
  row['SQL rows read/task'] = (after.servers.rowsRead - before.servers.rowsRead) / tasks;
  row['SQL rows written/task'] = (after.servers.rowsWritten - before.servers.rowsWritten) / tasks;
  row['row lock waits'] = after.servers.lockWaits - before.servers.lockWaits;
  row['row lock wait ms'] = after.servers.lockWaitMs - before.servers.lockWaitMs;
  row['Redis commands/task'] = (after.servers.redisCommands - before.servers.redisCommands) / tasks;
  return row;
}

/** Tasks/s of each move from its first to its last, and the seconds that messages took. */
export function stageRows(meters: readonly WorkerMeters[]): Row {
  const row: Row = {};
  const moved = Map.groupBy(
    meters.flatMap((one) => one.moved),
    ({ stage, move }) => `${stage} ${move}`,
  );
  for (const [name, group] of moved) {
    const tasks = group.reduce((sum, one) => sum + one.tasks, 0);
    const seconds =
      (Math.max(...group.map(({ lastMs }) => lastMs)) -
        Math.min(...group.map(({ firstMs }) => firstMs))) /
      1000;
    // All in one sample: too fast to measure.
    if (seconds > 0) row[`${name} tasks/s`] = tasks / seconds;
  }
  const stages = new Set(meters.flatMap(({ messages }) => Object.keys(messages)));
  for (const stage of stages) {
    row[`${stage} messages`] = meters.reduce(
      (sum, { messages }) => sum + (messages[stage]?.count ?? 0),
      0,
    );
    row[`${stage} message seconds`] = meters.reduce(
      (sum, { messages }) => sum + (messages[stage]?.seconds ?? 0),
      0,
    );
  }
  return row;
}
