/** What tasks could ask for, by what tasks like them used. */

export interface MeasuredTask {
  /** Tasks of one kind are advised together: their images. */
  kind: string;
  cpuCores: number;
  ramGb: number;
  wallSeconds: number;
  /** Absent where the host did not measure it. */
  cpuSeconds?: number;
  peakMemoryBytes?: number;
}

export interface Advice {
  kind: string;
  tasks: number;
  cpu: Asked;
  ram: Asked;
  /** Hours that the tasks held and would not hold with what is advised; below 0 where they need more. */
  savedVcpuHours: number;
  savedGibHours: number;
}

export interface Asked {
  asked: number;
  /** The most that one of them used; absent where none was measured. */
  used?: number;
  /** Absent where what they ask for fits. */
  advised?: number;
}

const GIB = 1024 ** 3;
const HOUR_SECONDS = 3600;
/** The next run may need more than this one did. */
const ROOM = 1.25;
/** Hosts sell memory in parts that are about as large. */
const RAM_STEP = 0.25;
/** Less is not worth a change. */
const WORTH = 0.8;
/** Above this share of its memory, a task is about to run out of it. */
const TIGHT = 0.9;
/** A shorter run says little of the CPUs that it could use. */
const SHORTEST_SECONDS = 1;

const most = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((one, other) => Math.max(one, other));

/** Kinds of which most tasks were measured come first. */
export function adviseTasks(tasks: readonly MeasuredTask[]): Advice[] {
  const groups = Map.groupBy(tasks, ({ kind, cpuCores, ramGb }) =>
    JSON.stringify([kind, cpuCores, ramGb]),
  );
  return [...groups.values()]
    .flatMap((group) => (group[0] ? [adviseGroup(group[0], group)] : []))
    .toSorted((one, other) => other.tasks - one.tasks || one.kind.localeCompare(other.kind));
}

function adviseGroup(
  { kind, cpuCores, ramGb }: MeasuredTask,
  group: readonly MeasuredTask[],
): Advice {
  const cpu = adviseCpu(cpuCores, group);
  const ram = adviseRam(ramGb, group);
  const hours = group.reduce((sum, { wallSeconds }) => sum + wallSeconds, 0) / HOUR_SECONDS;
  return {
    kind,
    tasks: group.length,
    cpu,
    ram,
    savedVcpuHours: hours * (cpuCores - (cpu.advised ?? cpuCores)),
    savedGibHours: hours * (ramGb - (ram.advised ?? ramGb)),
  };
}

/** A whole number of vCPUs: fewer where they were idle. More would be a guess. */
function adviseCpu(asked: number, group: readonly MeasuredTask[]): Asked {
  const used = most(
    group.flatMap(({ cpuSeconds, wallSeconds }) =>
      cpuSeconds === undefined || wallSeconds < SHORTEST_SECONDS ? [] : [cpuSeconds / wallSeconds],
    ),
  );
  if (used === undefined) return { asked };
  const wanted = Math.max(1, Math.ceil(used * ROOM));
  return { asked, used, ...(wanted < asked && { advised: wanted }) };
}

function adviseRam(asked: number, group: readonly MeasuredTask[]): Asked {
  const bytes = most(group.flatMap(({ peakMemoryBytes }) => peakMemoryBytes ?? []));
  if (bytes === undefined) return { asked };
  const used = bytes / GIB;
  const wanted = Math.max(RAM_STEP, Math.ceil((used * ROOM) / RAM_STEP) * RAM_STEP);
  const isTight = used > asked * TIGHT && wanted > asked;
  return { asked, used, ...((isTight || wanted <= asked * WORTH) && { advised: wanted }) };
}
