/** What a task asked for against what it used. Pure. */
import { finalLog } from '../../packages/client/final-log.ts';
import type { TesTaskFull } from '../../packages/client/client.ts';
import { bytes, duration } from './format.ts';

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
  const latest = finalLog({ logs })?.metadata ?? {};
  const wall = number(latest['wall_seconds']);
  const cpu = number(latest['cpu_seconds']);
  const memory = number(latest['peak_memory_bytes']);
  const [read, written] = [number(latest['read_bytes']), number(latest['written_bytes'])];
  const { cpu_cores: cores, ram_gb: ram, disk_gb: disk } = resources;
  const busy = cpu !== undefined && wall ? cpu / wall : undefined;
  return [
    {
      what: 'CPU',
      asked: cores === undefined ? '–' : `${cores} vCPU`,
      used:
        busy === undefined ? '–' : `${busy.toFixed(2)} on average (${duration((cpu ?? 0) * 1000)})`,
      ...(busy !== undefined && cores && { share: busy / cores }),
    },
    {
      what: 'Memory',
      asked: ram === undefined ? '–' : `${ram} GiB`,
      used: memory === undefined ? '–' : `${bytes(memory)} at its peak`,
      ...(memory !== undefined && ram && { share: memory / (ram * GIB) }),
    },
    { what: 'Disk', asked: disk === undefined ? '–' : `${disk} GiB`, used: '–' },
    {
      what: 'Read and written',
      asked: '–',
      used:
        read === undefined && written === undefined
          ? '–'
          : `${bytes(read ?? 0)} read, ${bytes(written ?? 0)} written`,
    },
    { what: 'Time', asked: '–', used: wall === undefined ? '–' : duration(wall * 1000) },
  ];
}

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
