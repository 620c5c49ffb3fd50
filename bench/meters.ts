/** The resources that processes and servers use, read from outside. */
import { readFile } from 'node:fs/promises';
import type { Redis } from 'ioredis';
import type { Pool } from 'mysql2/promise';
import { select } from '../db/rows.ts';

export interface Usage {
  cpuSeconds: number;
  residentMb: number;
  /** The highest value so far. */
  peakMb: number;
}

/** Linux counts CPU in hundredths of a second. */
const TICKS_PER_SECOND = 100;

export async function readUsage(pid: number): Promise<Usage> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const mb = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    residentMb: mb('VmRSS'),
    peakMb: mb('VmHWM'),
  };
}

export interface ServerCounts {
  sqlStatements: number;
  sqlCommits: number;
  /** As the server counts them: also those of indexes and of temporary tables. */
  rowsRead: number;
  /** Inserted, updated and deleted. */
  rowsWritten: number;
  /** Statements that waited for a lock of a row, and for how long together. */
  lockWaits: number;
  lockWaitMs: number;
  redisCommands: number;
  redisMb: number;
  redisPeakMb: number;
}

export async function readServers(pool: Pool, redis: Redis): Promise<ServerCounts> {
  const rows = await select<{ Variable_name: string; Value: string }>(
    pool,
    `SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Com_commit', 'Innodb_row_lock_waits', 'Innodb_row_lock_time')
      OR Variable_name LIKE 'Handler\\_%'`,
  );
  const status = new Map(rows.map((row) => [row.Variable_name, Number(row.Value)]));
  const sum = (...names: string[]): number =>
    names.reduce((total, name) => total + (status.get(`Handler_${name}`) ?? 0), 0);
  const info = await redis.info();
  const fact = (name: string): number =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  return {
    sqlStatements: status.get('Questions') ?? 0,
    sqlCommits: status.get('Com_commit') ?? 0,
    rowsRead: sum('read_first', 'read_key', 'read_last', 'read_next', 'read_prev', 'read_rnd'),
    rowsWritten: sum('write', 'update', 'delete'),
    lockWaits: status.get('Innodb_row_lock_waits') ?? 0,
    lockWaitMs: status.get('Innodb_row_lock_time') ?? 0,
    redisCommands: fact('total_commands_processed'),
    redisMb: fact('used_memory') / 2 ** 20,
    redisPeakMb: fact('used_memory_peak') / 2 ** 20,
  };
}

export interface Spread {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return {
    count: sorted.length,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    most: sorted.at(-1) ?? 0,
  };
}
