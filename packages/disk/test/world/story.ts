/**
 * One story: a host whose tasks write, an EC2 with faults, and daemons that crash before and after what
 * they do. It says which invariants were broken.
 */
import { performEc2 } from '../../ec2/requests.ts';
import type { Ec2Action, Ec2Outcome } from '../../rules/action.ts';
import { emptyJournal, type Growth, type Journal } from '../../rules/journal.ts';
import { GIB, type Policy } from '../../rules/policy.ts';
import { STACK_TAG, tagsOf } from '../../rules/tags.ts';
import { Daemon } from '../../daemon.ts';
import type { DiskEvent } from '../../rules/events.ts';
import type { BlockResult, Machine, Slow } from '../../machine.ts';
import { dice, type Dice } from './dice.ts';
import { noFaults, PlayedEc2, type Ec2Faults, type PlayedVolume } from './played-ec2.ts';
import { PlayedHost, type HostOptions, type Writer } from './played-host.ts';

export interface Crash {
  /** Which thing that the daemon does. */
  at: number;
  when: 'before' | 'after';
  /** `kill`: commands and requests go on. `power`: also the host starts again. */
  by: 'kill' | 'power';
  losesJournal: boolean;
}

export interface Story {
  seed: number;
  firstGiB: number;
  maxGiB: number;
  hasCgroup: boolean;
  hasForeignDisk: boolean;
  writers: readonly Writer[];
  commandsFail: number;
  faults: Partial<Ec2Faults>;
  crashes: readonly Crash[];
}

export interface Told {
  violations: string[];
  events: DiskEvent[];
  growths: number;
  crashed: number;
  requests: number;
  frozenMs: number;
}

/** A daemon that is broken in one way; the invariants must see it. */
export type Broken = (machine: Machine) => Machine;

const INSTANCE = 'i-0a';
const NEXT_INSTANCE = 'i-0b';
const ZONE = 'eu-west-1a';
const CALM_MS = 1_800_000;
const QUIET_MS = 300_000;
const MOST_CALLS = 6;
/** A request that was under way when its daemon ended still has its effect. */
const REQUEST_MS = 2_000;

class Crashed extends Error {}

export async function play(story: Story, broken?: Broken): Promise<Told> {
  return new Play(story, broken).tell();
}

class Play {
  readonly story: Story;
  readonly broken: Broken;
  readonly dice: Dice;
  readonly violations: string[] = [];
  readonly events: DiskEvent[] = [];
  readonly ec2: PlayedEc2;
  host: PlayedHost;
  readonly policy: Policy;
  /** That daemon has vanished: its volume is left to the next host. */
  readonly young: PlayedVolume;
  nowMs = 0;
  deeds = 0;
  crashed = 0;
  generation = 0;
  instanceId = INSTANCE;
  /** When a journal was lost: what it named is known to EC2 alone. */
  lostAtMs: number | undefined;
  mayCrash = true;
  /** When the brake had been held for as long as it may be. */
  spentAtMs: number | undefined;
  #daemon: Daemon | undefined;
  #timers: { atMs: number; run(): void }[] = [];

  constructor(story: Story, broken: Broken = (machine) => machine) {
    this.story = story;
    this.broken = broken;
    this.dice = dice(story.seed);
    const now = (): number => this.nowMs;
    this.ec2 = new PlayedEc2(now, this.dice, { ...noFaults, ...story.faults }, (sentence) =>
      this.violations.push(sentence),
    );
    this.host = this.#newHost({});
    this.ec2.isInUse = (volumeId) => this.host.isInUse(volumeId);
    this.policy = policyOf(story);
    this.young = this.#addOthers();
  }

  async tell(): Promise<Told> {
    const calmFrom = Math.max(...this.story.writers.map(({ fromMs, forMs }) => fromMs + forMs));
    await this.#live(calmFrom);
    // What is under way ends, and then nothing is asked.
    this.ec2.faults = { ...noFaults, takenNames: this.ec2.faults.takenNames };
    this.mayCrash = false;
    await this.#live(this.nowMs + CALM_MS);
    const before = this.ec2.asked.length;
    await this.#live(this.nowMs + QUIET_MS);
    if (this.ec2.asked.length > before)
      this.violations.push(
        `${this.ec2.asked.length - before} requests while idle: ${this.ec2.asked.at(-1)?.action}`,
      );
    this.#checkVolumes();
    this.#checkCalls();
    this.#checkRoom();
    const { frozenMs } = this.host;
    await this.#end();
    return {
      violations: this.violations,
      events: this.events,
      growths: this.events.filter(({ event }) => event === 'disk-grown').length,
      crashed: this.crashed,
      requests: this.ec2.asked.length,
      frozenMs,
    };
  }

  #newHost(more: Partial<HostOptions>): PlayedHost {
    const { firstGiB, hasCgroup, writers, commandsFail, hasForeignDisk } = this.story;
    const options = { firstGiB, hasCgroup, writers, commandsFail, hasForeignDisk, ...more };
    return new PlayedHost(
      { instanceId: this.instanceId, ...options },
      this.ec2,
      this.dice,
      () => this.nowMs,
    );
  }

  /** Volumes that a careless daemon would take. Returns the one of a daemon that has just made it. */
  #addOthers(): PlayedVolume {
    const hour = 3_600_000;
    this.ec2.addForeign({ createdMs: -5 * hour, zone: ZONE, tags: { Name: 'lab data' } });
    this.ec2.addForeign({ createdMs: -5 * hour, zone: ZONE, tags: { [STACK_TAG]: 'another' } });
    this.ec2.addForeign({
      createdMs: -5 * hour,
      zone: 'eu-west-1b',
      tags: { [STACK_TAG]: 'batchwell' },
    });
    return this.ec2.addForeign({ createdMs: 0, zone: ZONE, tags: { [STACK_TAG]: 'batchwell' } });
  }

  /** Daemons, one after the other, until this time. */
  async #live(untilMs: number): Promise<void> {
    while (this.nowMs < untilMs) {
      try {
        await this.#run(untilMs);
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
        await this.#crash();
      }
    }
  }

  async #crash(): Promise<void> {
    const crash = this.story.crashes[this.crashed];
    this.crashed += 1;
    this.generation += 1;
    this.#daemon = undefined;
    if (crash?.losesJournal) {
      this.host.savedJournal = null;
      this.lostAtMs = this.nowMs;
    }
    if (crash?.by !== 'power') return this.#pass(this.nowMs + 1_500);
    this.host.boot();
    this.host.isDown = true;
    await this.#pass(this.nowMs + 20_000);
    this.host.isDown = false;
  }

  async #run(untilMs: number): Promise<void> {
    this.#daemon ??= this.#start();
    while (this.nowMs < untilMs) {
      const waitMs = this.#daemon.look(this.nowMs);
      await this.#pass(this.nowMs + waitMs);
    }
  }

  #start(): Daemon {
    const machine = this.broken(this.#machine(this.generation));
    const journal = this.host.savedJournal ?? emptyJournal(this.instanceId);
    const { nowMs } = this;
    return new Daemon(machine, this.policy, journal, { nowMs, sweepWithinMs: 60_000 });
  }

  async #pass(toMs: number): Promise<void> {
    while (this.nowMs < toMs) {
      const next = Math.min(toMs, this.host.nextEndMs(), ...this.#timers.map(({ atMs }) => atMs));
      const to = Math.max(next, this.nowMs);
      this.host.pass(this.nowMs, to);
      this.nowMs = to;
      const due = this.#timers.filter(({ atMs }) => atMs <= to);
      if (due.length > 0) {
        this.#timers = this.#timers.filter(({ atMs }) => atMs > to);
        for (const timer of due) timer.run();
        // Answers go through a few promises before they are there.
        for (let turn = 0; turn < 12; turn += 1) await undefined;
      }
    }
  }

  #after(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timers.push({ atMs: this.nowMs + waitMs, run: resolve });
    });
  }

  /** Counts what the daemon does, and crashes where the story says so. */
  #deed<T>(generation: number, effect: () => T): T {
    const crash = this.story.crashes[this.crashed];
    const isCrash =
      this.mayCrash &&
      crash !== undefined &&
      generation === this.generation &&
      this.deeds >= crash.at;
    this.deeds += 1;
    if (isCrash && crash.when === 'before') throw new Crashed();
    const result = effect();
    if (isCrash) throw new Crashed();
    return result;
  }

  #machine(generation: number): Machine {
    const { host, policy } = this;
    return {
      instanceId: this.instanceId,
      zone: ZONE,
      glance: (withDevices) => host.glance(withDevices),
      save: (journal) =>
        this.#deed(generation, () => {
          host.savedJournal = structuredCloneOf(journal);
          if (journal.brakeSpentMs !== null) this.spentAtMs ??= this.nowMs;
        }),
      setFrozen: (isFrozen) => this.#deed(generation, () => host.setFrozen(isFrozen)),
      releaseBallast: () => undefined,
      endHost: (reason) => {
        host.ended = reason;
      },
      ask: (action, growth) => this.#deed(generation, () => this.#ask(action, growth, policy)),
      run: (action) =>
        this.#deed(generation, () => {
          let result: BlockResult | undefined;
          host.run(action, (one) => {
            result = one;
          });
          return { settled: () => result };
        }),
      chance: () => this.dice.roll(),
      token: () => `token-${Math.floor(this.dice.roll() * 1e15)}`,
      report: (event) =>
        this.events.push({ ...event, fields: { ...event.fields, atMs: Math.round(this.nowMs) } }),
    };
  }

  #ask(action: Ec2Action, growth: Growth | null, policy: Policy): Slow<Ec2Outcome> {
    let outcome: Ec2Outcome | undefined;
    const owner = {
      instanceId: this.instanceId,
      zone: ZONE,
      policy,
      tagsFor: (token: string) =>
        tagsOf({ stack: policy.stack, instanceId: this.instanceId, token }, { Project: 'a, "b" ü' })
          .tags,
    };
    const send = async (): Promise<void> => {
      await this.#after(this.dice.between(50, 800));
      const answer = await performEc2(this.ec2.client(), action, growth, owner);
      // Who waits for an answer that does not come waits for ten seconds.
      const isLost = answer.is === 'refused' && answer.sentence.includes('TimeoutError');
      await this.#after(isLost ? 10_000 : this.dice.between(10, 300));
      outcome = answer;
    };
    void send();
    return { settled: () => outcome };
  }

  #checkVolumes(): void {
    for (const volume of this.ec2.volumes.values()) {
      if (volume.isForeign || volume.isDeleted) continue;
      const { volumeId, attachment } = volume;
      if (!this.host.isInUse(volumeId) && this.#isForNextHost(volume)) continue;
      if (!this.host.isInUse(volumeId))
        this.violations.push(`${volumeId} is ${this.ec2.stateOf(volume)}, and nobody uses it`);
      else if (attachment?.isProtected !== true)
        this.violations.push(`${volumeId} is in use without DeleteOnTermination`);
    }
    if (this.host.isFrozen) this.violations.push('The tasks are still frozen.');
    if (this.host.fileSystemBytes !== this.host.groupBytes)
      this.violations.push('A volume was added, and the file system does not use it.');
  }

  /**
   * The journal was lost, what EC2 said to the daemon after it was wrong, and no device shows the volume: nobody can
   * know of it. It goes with its host, or the next one deletes it.
   */
  #isForNextHost({ createdMs, attachment }: PlayedVolume): boolean {
    return (
      (attachment === null || attachment.appearsAtMs === null) &&
      (this.story.faults.badDescribes ?? 0) > 0 &&
      this.lostAtMs !== undefined &&
      createdMs < this.lostAtMs + REQUEST_MS
    );
  }

  /** The instance ends; more than an hour later another one starts, and deletes what is left. */
  async #end(): Promise<void> {
    this.ec2.terminate(INSTANCE);
    this.nowMs += 2 * 3_600_000;
    this.young.isForeign = false;
    this.generation += 1;
    this.#daemon = undefined;
    this.instanceId = NEXT_INSTANCE;
    this.host = this.#newHost({ writers: [], commandsFail: 0 });
    await this.#live(this.nowMs + QUIET_MS);
    for (const volume of this.ec2.volumes.values())
      if (!volume.isForeign && !volume.isDeleted)
        this.violations.push(`${volume.volumeId} outlives its host and the next one`);
  }

  #checkCalls(): void {
    const byToken = new Map<string, number>();
    for (const { token, isExcused } of this.ec2.asked)
      if (token !== '' && !isExcused) byToken.set(token, (byToken.get(token) ?? 0) + 1);
    // A daemon that starts again repeats the request that it does not know the end of.
    for (const [token, calls] of byToken)
      if (calls > MOST_CALLS + this.#excuses(token))
        this.violations.push(`${calls} calls for the growth ${token}`);
  }

  /** After an answer that was lost, the request is repeated, and perhaps its effect looked up. */
  #excuses(token: string): number {
    const excused = this.ec2.asked.filter((one) => one.token === token && one.isExcused);
    return 2 * (this.crashed + excused.length);
  }

  #checkRoom(): void {
    const { fullAtMs, fileSystemBytes } = this.host;
    if (fullAtMs === null || fileSystemBytes >= (this.story.maxGiB - 1) * GIB) return;
    const told = ['disk-limit-reached', 'disk-ec2-denied', 'disk-brake-missing'];
    const isExcused =
      (this.spentAtMs !== undefined && this.spentAtMs <= fullAtMs) ||
      this.events.some(
        ({ event, fields }) =>
          Number(fields['atMs']) <= fullAtMs &&
          (told.includes(event) ||
            (event === 'disk-ec2-refused' &&
              ['limit', 'capacity'].includes(String(fields['kind'])))),
      );
    if (!isExcused)
      this.violations.push(`No space left at ${fullAtMs} ms, below the limit, and nobody was told`);
  }
}

const structuredCloneOf = (journal: Journal): Journal =>
  JSON.parse(JSON.stringify(journal)) as Journal;

const policyOf = ({ firstGiB, maxGiB }: Story): Policy => ({
  mode: 'elastic',
  firstGiB,
  maxGiB,
  leastGrowthGiB: 100,
  brakeFloorBytes: GIB,
  brakeMs: 120_000,
  mostVolumes: 20,
  iops: 3000,
  throughput: 125,
  kmsKeyArn: '',
  region: 'eu-west-1',
  stack: 'batchwell',
});
