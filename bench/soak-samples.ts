/** What must stay flat over a soak: samples of it, whether they are flat, and their curves. */
import { readdir } from 'node:fs/promises';
import { select, selectFirst } from '../db/rows.ts';
import { readUsage } from './meters.ts';
import type { Row, Rows } from './report.ts';
import type { World } from './world.ts';

export interface Sample {
  atMs: number;
  /** Tasks accepted so far. */
  accepted: number;
  /** By metric. */
  values: Row;
}

/** Tables whose rows are written when a task ends: per task that ended, since many of a short soak have not. */
const WRITTEN_AT_THE_END = new Set(['cache_entries', 'cache_outputs', 'object_sums']);

/** Their memory is that of the machine's servers and of the local AWS, which keeps every job. */
const NOT_OF_THE_FLEET = new Set(['aws']);

export async function takeSample(world: World): Promise<Sample> {
  const accepted = await countAll(world, 'tasks');
  const values: Row = {};
  for (const [name, pid] of Object.entries(world.pids())) {
    if (NOT_OF_THE_FLEET.has(name)) continue;
    values[`${name} MB`] = (await readUsage(pid)).residentMb;
    if (name !== 'mariadb' && name !== 'redis')
      values[`${name} descriptors`] = (await readdir(`/proc/${pid}/fd`)).length;
  }
  values['MariaDB connections'] = await status(world, 'Threads_connected');
  const info = await world.redis.info();
  values['Redis connections'] = Number(/^connected_clients:(\d+)/m.exec(info)?.[1] ?? 0);
  values['Redis keys'] = await world.redis.dbsize();
  const ended = await countAll(world, 'tasks WHERE ended_ms IS NOT NULL');
  for (const table of await tableNames(world))
    values[`rows/task: ${table}`] =
      (await countAll(world, table)) /
      Math.max(1, WRITTEN_AT_THE_END.has(table) ? ended : accepted);
  return { atMs: Date.now(), accepted, values };
}

async function tableNames({ pool }: World): Promise<string[]> {
  const rows = await select<{ name: string }>(
    pool,
    `SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_name NOT LIKE '\\_\\_%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** @param table and a condition */
async function countAll({ pool }: World, table: string): Promise<number> {
  const row = await selectFirst<{ count: number }>(pool, `SELECT COUNT(*) AS count FROM ${table}`);
  return row?.count ?? 0;
}

async function status({ pool }: World, name: string): Promise<number> {
  const row = await selectFirst<{ Value: string }>(
    pool,
    'SHOW GLOBAL STATUS WHERE Variable_name = ?',
    [name],
  );
  return Number(row?.Value ?? 0);
}

/** Growth that is still flat: a tenth, or this much where the numbers are small. */
const FLAT_SHARE = 1.1;
const slackOf = (metric: string): number => {
  if (metric.endsWith('MB')) return 10;
  if (metric.startsWith('rows/task')) return 0.05;
  return metric === 'Redis keys' ? 200 : 5;
};

/** Means of each metric over thirds of the soak; `flat` is 1 or 0. */
export interface Judged extends Rows {
  'first third': Row;
  'second third': Row;
  'last third': Row;
  flat: Row;
}

/** The first third is the warm-up; the second is compared with the last. */
export function judge(samples: readonly Sample[]): Judged {
  const third = Math.max(1, Math.floor(samples.length / 3));
  const judged: Judged = {
    'first third': meansOf(samples.slice(0, third)),
    'second third': meansOf(samples.slice(third, -third)),
    'last third': meansOf(samples.slice(-third)),
    flat: {},
  };
  for (const [metric, after] of Object.entries(judged['last third'])) {
    const before = judged['second third'][metric] ?? after;
    judged.flat[metric] = after <= Math.max(before * FLAT_SHARE, before + slackOf(metric)) ? 1 : 0;
  }
  return judged;
}

function meansOf(samples: readonly Sample[]): Row {
  const metrics = Object.keys(samples[0]?.values ?? {});
  return Object.fromEntries(
    metrics.map((metric) => [
      metric,
      samples.reduce((sum, { values }) => sum + (values[metric] ?? 0), 0) / samples.length,
    ]),
  );
}

const CELL = { width: 260, height: 90, columns: 4 };
const PLOT = { left: 8, top: 30, width: 244, height: 48 };

/** A small curve for each metric, from 0 to its highest value, over time. */
export function drawCurves(samples: readonly Sample[]): string {
  const metrics = Object.keys(samples.at(-1)?.values ?? {});
  const lines = Math.ceil(metrics.length / CELL.columns);
  const cells = metrics.map((metric, position) => drawCell(samples, metric, position));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${CELL.columns * CELL.width}" height="${lines * CELL.height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...cells,
    '</svg>',
    '',
  ].join('\n');
}

function drawCell(samples: readonly Sample[], metric: string, position: number): string {
  const [first, last] = [samples[0], samples.at(-1)];
  const values = samples.map((sample) => sample.values[metric] ?? 0);
  const most = Math.max(...values, Number.MIN_VALUE);
  const spanMs = Math.max(1, (last?.atMs ?? 0) - (first?.atMs ?? 0));
  const points = samples.map(({ atMs }, at) => {
    const x = PLOT.left + ((atMs - (first?.atMs ?? 0)) / spanMs) * PLOT.width;
    const y = PLOT.top + PLOT.height * (1 - (values[at] ?? 0) / most);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const left = (position % CELL.columns) * CELL.width;
  const top = Math.floor(position / CELL.columns) * CELL.height;
  return [
    `<g transform="translate(${left},${top})">`,
    `<text x="${PLOT.left}" y="20">${metric}: ${Number((values.at(-1) ?? 0).toPrecision(3))}</text>`,
    `<rect x="${PLOT.left}" y="${PLOT.top}" width="${PLOT.width}" height="${PLOT.height}" fill="#f4f4f4"/>`,
    `<polyline points="${points.join(' ')}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>`,
    '</g>',
  ].join('');
}
