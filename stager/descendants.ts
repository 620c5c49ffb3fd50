/**
 * The processes that the command of a task has started, also those that left its session: they are
 * ended before its outputs are read and before the next executor starts. See docs/adr/0026.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  carries,
  groupsOf,
  procIsOurs,
  seeProcess,
  seeProcesses,
  signalSeen,
  type Seen,
} from './processes.ts';

/** How long processes that the command left behind may take to end by themselves: a `tee` that drains. */
const SETTLE_MS = 500;
/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 2_000;
/** A process in an uninterruptible wait cannot be killed. */
const KILL_MS = 5_000;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;
/** Where nothing but the tree of processes tells whose a process is, it is looked at this often. */
const LOOK_MS = 500;

/**
 * How the command's processes are told from others: by a PID namespace that is the task's own, by
 * a control group that is, or else by session, parents and environment.
 */
type Scope = 'namespace' | 'cgroup' | 'marks' | 'none';

interface Ended {
  /** The names of those that were sent a signal. */
  names: string[];
  /** The names of those that could not be ended. */
  left: string[];
}

export interface Descendants {
  /** For the command. */
  environment: Record<string, string>;
  /** Names the script's shell, which is not one of them. */
  spare(shell: number | undefined): void;
  /** Those that run now. */
  running(): readonly Seen[];
  /** The script's shell. */
  shell(): number | undefined;
  /** Sends a signal to each. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
  /** Waits a moment for them to end, and ends those that do not. */
  end(how?: 'politely' | 'at once'): Promise<Ended>;
  /** Ends the looks at the tree of processes. */
  close(): void;
}

interface State {
  scope: Scope;
  /** Those that were there before the command, by pid and start. */
  before: Set<string>;
  mark: string;
  groups: string | undefined;
  shell?: Seen | undefined;
  /** Those that were seen below the shell, wherever they are now. */
  known: Set<string>;
  timer?: NodeJS.Timeout;
}

const idOf = ({ pid, started }: Seen): string => `${pid} ${started}`;

/** The variable that a container's first process has, whatever started it. */
export const JOB = 'AWS_BATCH_JOB_ID';
/** Set for the commands where nothing better tells whose a process is: names this stager. */
const MARK = 'BATCHWELL_STAGER';

/**
 * Whether it was started in this namespace. What came in from outside has no parent here. A parent that
 * is not to be seen has just ended, and its child gets the first process as its parent.
 */
function isBelowInit(seen: Seen, all: ReadonlyMap<number, Seen>): boolean {
  if (seen.pid === 1) return true;
  for (let one: Seen | undefined = seen; one !== undefined; one = all.get(one.parent))
    if (one.parent === 0) return one.pid === 1;
  return true;
}

const byPid = (all: readonly Seen[]): Map<number, Seen> =>
  new Map(all.map((one) => [one.pid, one]));

/**
 * A namespace or group is the task's own when the stager is its first process, or when every process
 * in it was started for this very job: nobody else's process is ever taken for the command's.
 */
function scopeOf(env: NodeJS.ProcessEnv, all: readonly Seen[]): Scope {
  if (!procIsOurs()) return 'none';
  if (process.pid === 1) return 'namespace';
  if (env[JOB] === undefined) return 'marks';
  const job = `${JOB}=${env[JOB]}`;
  const isOfJob = ({ pid }: Seen) => pid === process.pid || carries(pid, job);
  const pids = byPid(all);
  const inside = all.filter((one) => isBelowInit(one, pids));
  if (inside.some(({ pid }) => pid === process.pid) && inside.every(isOfJob)) return 'namespace';
  const groups = groupsOf(process.pid);
  const ofGroup = all.filter(({ pid }) => groupsOf(pid) === groups);
  return groups !== undefined && ofGroup.every(isOfJob) ? 'cgroup' : 'marks';
}

/** Call before the command is started. */
export function openDescendants(env: NodeJS.ProcessEnv): Descendants {
  const all = procIsOurs() ? seeProcesses() : [];
  const state: State = {
    scope: scopeOf(env, all),
    before: new Set(all.map(idOf)),
    mark: `${process.pid}.${seeProcess(process.pid)?.started ?? ''}`,
    groups: groupsOf(process.pid),
    known: new Set(),
  };
  return {
    environment: state.scope === 'marks' ? { [MARK]: state.mark } : {},
    spare(shell) {
      state.shell = shell === undefined ? undefined : seeProcess(shell);
      if (state.scope === 'marks') state.timer = setInterval(() => find(state), LOOK_MS).unref();
    },
    running: () => find(state),
    shell: () => state.shell?.pid,
    signal(name) {
      for (const one of find(state)) signalSeen(one, name);
    },
    end: (how = 'politely') => end(state, how),
    close: () => clearInterval(state.timer),
  };
}

/** The command's processes that run now. */
function find(state: State): Seen[] {
  if (state.scope === 'none') return [];
  const all = seeProcesses();
  const others = all.filter(
    (one) =>
      one.pid !== process.pid && one.pid !== state.shell?.pid && !state.before.has(idOf(one)),
  );
  if (state.scope === 'cgroup') return others.filter(({ pid }) => groupsOf(pid) === state.groups);
  const pids = byPid(all);
  if (state.scope === 'namespace') return others.filter((one) => isBelowInit(one, pids));
  const found = others.filter((one) => isMarked(one, state, pids));
  for (const one of found) state.known.add(idOf(one));
  return found;
}

function isMarked(seen: Seen, { shell, known, mark }: State, pids: Map<number, Seen>): boolean {
  if (shell === undefined) return false;
  if (known.has(idOf(seen)) || seen.session === shell.pid) return true;
  for (let one: Seen | undefined = seen; one !== undefined; one = pids.get(one.parent))
    if (one.parent === shell.pid || known.has(idOf(one))) return true;
  return carries(seen.pid, `${MARK}=${mark}`);
}

/**
 * The same. A look misses a process that forks all the time, so an empty one is made sure of while
 * everything is stopped.
 */
function look(state: State): Seen[] {
  const running = find(state);
  if (running.length > 0 || state.scope !== 'namespace') return running;
  const frozen = freeze(state);
  for (const one of frozen) signalSeen(one, 'SIGCONT');
  return frozen;
}

/** Returns what still runs after this long. */
async function waitFor(state: State, ms: number, act?: (running: Seen[]) => void): Promise<Seen[]> {
  const endMs = performance.now() + ms;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    const running = look(state);
    act?.(running);
    if (running.length === 0 || performance.now() >= endMs) return running;
    await sleep(pauseMs);
  }
}

async function end(state: State, how: 'politely' | 'at once'): Promise<Ended> {
  const names = new Map<string, string>();
  const signal = (one: Seen, name: NodeJS.Signals): void => {
    names.set(idOf(one), one.name);
    signalSeen(one, name);
  };
  const outcome = (left: readonly Seen[]): Ended => ({
    names: [...names.values()],
    left: left.map(({ name }) => name),
  });
  if (how === 'politely') {
    if ((await waitFor(state, SETTLE_MS)).length === 0) return outcome([]);
    const rest = await waitFor(state, GRACE_MS, (running) => {
      for (const one of running) {
        if (names.has(idOf(one))) continue;
        signal(one, 'SIGTERM');
        // One that was stopped ends only when it goes on.
        signalSeen(one, 'SIGCONT');
      }
    });
    if (rest.length === 0) return outcome([]);
  }
  return outcome(
    await waitFor(state, KILL_MS, (running) => {
      if (running.length > 0) for (const one of freeze(state)) signal(one, 'SIGKILL');
    }),
  );
}

/** The command's processes, stopped at one moment where the namespace is the task's own. */
function freeze(state: State): Seen[] {
  if (state.scope !== 'namespace') return find(state);
  try {
    process.kill(-1, 'SIGSTOP');
  } catch {
    // None of them is ours to stop.
  }
  const frozen = find(state);
  const ids = new Set(frozen.map(idOf));
  for (const one of seeProcesses())
    if (one.pid !== process.pid && !ids.has(idOf(one))) signalSeen(one, 'SIGCONT');
  return frozen;
}
