/** What a task asked for against what it used. Pure. */
import { finalLog } from '../../packages/client/final-log.ts';
import type { TesTaskFull } from '../../packages/client/client.ts';
import { bytes, seconds } from './format.ts';

export interface ResourceRow {
  what: string;
  asked: string;
  used: string;
  /** Used of asked, from 0 to 1 or more; absent where one is unknown. */
  share?: number;
}

const GIB = 1024 ** 3;

const number = (text: string | undefined): number | undefined => {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
};

/** Of the latest attempt, as far as its record says. */
export function resourceRows({
  resources = {},
  logs,
}: Pick<TesTaskFull, 'resources' | 'logs'>): ResourceRow[] {
  const used = finalLog({ logs })?.metadata ?? {};
  const wall = number(used['wall_seconds']);
  const disk = resources.disk_gb;
  return [
    cpuRow(resources.cpu_cores, number(used['cpu_seconds']), wall),
    memoryRow(resources.ram_gb, number(used['peak_memory_bytes'])),
    { what: 'Disk', asked: disk === undefined ? NONE : `${disk} GiB`, used: NONE },
    bytesRow(number(used['read_bytes']), number(used['written_bytes'])),
    { what: 'Time', asked: NONE, used: wall === undefined ? NONE : seconds(wall) },
  ];
}

const NONE = '–';

function cpuRow(
  cores: number | undefined,
  cpu: number | undefined,
  wall: number | undefined,
): ResourceRow {
  const asked = cores === undefined ? NONE : `${cores} vCPU`;
  if (cpu === undefined || !wall) return { what: 'CPU', asked, used: NONE };
  const busy = cpu / wall;
  return {
    what: 'CPU',
    asked,
    used: `${busy.toFixed(2)} on average (${seconds(cpu)} of CPU time)`,
    ...(cores !== undefined && { share: busy / cores }),
  };
}

function memoryRow(ram: number | undefined, peak: number | undefined): ResourceRow {
  const asked = ram === undefined ? NONE : `${ram} GiB`;
  if (peak === undefined) return { what: 'Memory', asked, used: NONE };
  return {
    what: 'Memory',
    asked,
    used: `${bytes(peak)} at its peak`,
    ...(ram !== undefined && { share: peak / (ram * GIB) }),
  };
}

const bytesRow = (read: number | undefined, written: number | undefined): ResourceRow => ({
  what: 'Read and written',
  asked: NONE,
  used:
    read === undefined && written === undefined
      ? NONE
      : `${bytes(read ?? 0)} read, ${bytes(written ?? 0)} written`,
});

export interface Waiting {
  message: string;
  since?: string;
  ahead?: number;
  task?: string;
}

/** Why a task that does not run waits, as its latest log says. */
export function waitingOf(logs: TesTaskFull['logs']): Waiting | undefined {
  const { waiting, waiting_since, waiting_ahead, waiting_task } =
    finalLog({ logs })?.metadata ?? {};
  if (waiting === undefined) return undefined;
  const ahead = number(waiting_ahead);
  return {
    message: waiting,
    ...(waiting_since !== undefined && { since: waiting_since }),
    ...(ahead !== undefined && { ahead }),
    ...(waiting_task !== undefined && { task: waiting_task }),
  };
}
