/**
 * Looks, decides, and acts, in a loop that never waits for EC2 or for LVM: while one of them is slow,
 * the brake still works. It holds what a look cannot see, and nothing that a crash may not lose.
 */
import type { Action, BlockAction, Ec2Action, QuickAction } from './rules/action.ts';
import { decideDisk } from './rules/decide.ts';
import { eventOfEc2, eventOfFailure, eventOfQuick, WHOLE } from './rules/events.ts';
import type { BlockDevice, Facts, SeenVolume, Warning } from './rules/facts.ts';
import { fastestRate, lastingRate, withSample, type Sample } from './rules/fill-rate.ts';
import type { Journal } from './rules/journal.ts';
import type { Policy } from './rules/policy.ts';
import {
  recordBlock,
  recordEc2,
  recordQuick,
  recordSent,
  resume,
  type Draw,
} from './rules/record.ts';
import type { Glance, Inspection, Machine, Slow, BlockResult } from './machine.ts';
import type { Ec2Outcome } from './rules/action.ts';

/** A decision that does not change what the next one is made of would repeat for ever. */
const MOST_ACTIONS = 50;
/** A request of a daemon before this one has had its effect by then. */
const SWEEP_AFTER_MS = 30_000;
/** It may also be a volume of the customer, about which EC2 has nothing to say. */
const OWN_MOST = 6;
const OWN_AGAIN_MS = 300_000;
/** A command that failed is not repeated at once. */
const AFTER_FAILURE_MS = 2_000;
const WHOLE_AGAIN_MS = 600_000;

export class Daemon {
  readonly machine: Machine;
  readonly policy: Policy;
  journal: Journal;
  facts: Facts | undefined;
  #samples: Sample[] = [];
  #runningMs = 0;
  #lookedMs: number | undefined;
  #devices: readonly Omit<BlockDevice, 'content'>[] = [];
  #inspection: Inspection | undefined;
  #own: readonly SeenVolume[] | null = null;
  #unused: readonly SeenVolume[] | null = null;
  #ec2: { action: Ec2Action; slow: Slow<Ec2Outcome> } | undefined;
  #block: { action: BlockAction; slow: Slow<BlockResult> } | undefined;
  #ownAsked = 0;
  #ownAgainMs = 0;
  #wholeAgainMs = 0;
  #ec2AfterMs = 0;
  #blockAfterMs = 0;
  readonly #warned = new Set<Warning>();
  readonly #sweepAtMs: number;

  /** `sweepWithinMs`: hosts that start together do not ask together. */
  constructor(
    machine: Machine,
    policy: Policy,
    journal: Journal,
    { nowMs, sweepWithinMs }: { nowMs: number; sweepWithinMs: number },
  ) {
    this.machine = machine;
    this.policy = policy;
    this.journal = resume(journal, nowMs);
    this.#sweepAtMs = nowMs + SWEEP_AFTER_MS + machine.chance() * sweepWithinMs;
  }

  /** One look, with all that can be done at once. Returns after how long the next one is due. */
  look(nowMs: number): number {
    this.#settle(nowMs);
    let hasBraked = false;
    for (let done = 0; done < MOST_ACTIONS; done += 1) {
      const facts = this.#observe(nowMs);
      const action = decideDisk(facts, this.journal, this.policy, nowMs);
      if (action.do === 'wait') return action.waitMs;
      // The cgroup did not take it: that is tried again, and keeps nothing else from being done.
      if ((action.do === 'brake' || action.do === 'release') && hasBraked) return AFTER_FAILURE_MS;
      hasBraked ||= action.do === 'brake' || action.do === 'release';
      this.#act(action, facts, nowMs);
      if (action.do === 'end-host') return AFTER_FAILURE_MS;
    }
    throw new Error(
      `The daemon did ${MOST_ACTIONS} things in one look: a decision repeats itself.`,
    );
  }

  #draw(nowMs: number): Draw {
    return { nowMs, chance: this.machine.chance(), token: this.machine.token() };
  }

  #observe(nowMs: number): Facts {
    const { growth, discards } = this.journal;
    const isWatching = this.#inspection === undefined || growth !== null || discards.length > 0;
    const glance = this.machine.glance(isWatching);
    this.#devices = glance.devices ?? this.#devices;
    const { sizeBytes, freeBytes } = glance.fileSystem;
    this.#sample(sizeBytes - freeBytes, glance.tasks === 'frozen', nowMs);
    this.facts = { ...this.#known(glance, nowMs), ...this.#inspected() };
    return this.facts;
  }

  /** Frozen tasks write nothing, which says nothing of their rate: that time does not count. */
  #sample(usedBytes: number, isFrozen: boolean, nowMs: number): void {
    if (!isFrozen) this.#runningMs += nowMs - (this.#lookedMs ?? nowMs);
    this.#lookedMs = nowMs;
    if (!isFrozen && this.#samples.at(-1)?.atMs !== this.#runningMs)
      this.#samples = withSample(this.#samples, { atMs: this.#runningMs, usedBytes });
  }

  #known(
    glance: Glance,
    nowMs: number,
  ): Omit<Facts, 'devices' | 'isFileSystemWhole' | 'isInspected'> {
    const { instanceId, zone } = this.machine;
    const { devices: _, ...seen } = glance;
    return {
      ...seen,
      instanceId,
      zone,
      bytesPerSecond: fastestRate(this.#samples),
      lastingBytesPerSecond: lastingRate(this.#samples),
      own: this.#own,
      unused: this.#unused,
      ownAgainMs: this.#ownAgainMs,
      wholeAgainMs: this.#wholeAgainMs,
      sweepAtMs: this.#sweepAtMs,
      busy: {
        ec2: this.#ec2 !== undefined || nowMs < this.#ec2AfterMs,
        block: this.#block !== undefined || nowMs < this.#blockAfterMs,
      },
      warned: this.#warned,
    };
  }

  #inspected(): Pick<Facts, 'devices' | 'isFileSystemWhole' | 'isInspected'> {
    const inspection = this.#inspection;
    const contents = this.#devices.map(
      (device) => [device, inspection?.contents.get(keyOf(device))] as const,
    );
    return {
      devices: contents.flatMap(([device, content]) => ({
        ...device,
        // Nothing is done by it before an inspection: `isInspected`.
        content: content ?? { is: 'foreign', signature: 'not inspected yet' },
      })),
      isFileSystemWhole: inspection?.isFileSystemWhole ?? false,
      isInspected:
        inspection !== undefined && contents.every(([, content]) => content !== undefined),
    };
  }

  #settle(nowMs: number): void {
    const answered = this.#ec2?.slow.settled();
    if (this.#ec2 && answered) {
      const { action } = this.#ec2;
      this.#ec2 = undefined;
      this.#take(action, answered, nowMs);
    }
    const ended = this.#block?.slow.settled();
    if (this.#block && ended) {
      const { action } = this.#block;
      this.#block = undefined;
      this.#takeBlock(action, ended, nowMs);
    }
  }

  #takeBlock(action: BlockAction, { outcome, inspection }: BlockResult, nowMs: number): void {
    this.#inspection = action.do === 'inspect' ? (inspection ?? this.#inspection) : undefined;
    if (outcome.is === 'failed') {
      this.#blockAfterMs = nowMs + AFTER_FAILURE_MS;
      this.machine.report(eventOfFailure(action.do, outcome));
    }
    if (action.do === 'grow' && this.journal.growth === null) {
      this.#wholeAgainMs = nowMs + WHOLE_AGAIN_MS;
      if (outcome.is === 'done') this.machine.report(WHOLE);
    }
    this.#keep(recordBlock(this.journal, action, outcome, this.#draw(nowMs)));
  }

  #take(action: Ec2Action, outcome: Ec2Outcome, nowMs: number): void {
    this.machine.report(eventOfEc2(action, outcome, this.journal.growth));
    if (action.do === 'delete') this.#forget(action.volumeId);
    if (action.do === 'describe') this.#takeDescribed(action, outcome, nowMs);
    this.#keep(recordEc2(this.journal, action, outcome, this.#draw(nowMs)));
  }

  #takeDescribed(
    { which }: Extract<Ec2Action, { do: 'describe' }>,
    outcome: Ec2Outcome,
    nowMs: number,
  ): void {
    if (outcome.is === 'refused' && outcome.kind === 'transient') {
      // Nothing waits for it: it is only asked again.
      this.#ec2AfterMs = nowMs + 30_000 * this.machine.chance();
      return;
    }
    const volumes = outcome.is === 'described' ? outcome.volumes : [];
    if (which === 'own') {
      this.#own = volumes;
      this.#ownAsked += 1;
      this.#ownAgainMs = this.#ownAsked < OWN_MOST ? nowMs + OWN_AGAIN_MS : Infinity;
    } else this.#unused = volumes;
  }

  #act(action: Exclude<Action, { do: 'wait' }>, facts: Facts, nowMs: number): void {
    switch (action.do) {
      case 'create':
      case 'attach':
      case 'protect':
      case 'detach':
      case 'delete':
      case 'describe':
        // Written first: after a crash the request counts as one that may have had its effect.
        this.#keep(recordSent(this.journal));
        this.#ec2 = { action, slow: this.machine.ask(action, this.journal.growth) };
        return;
      case 'inspect':
      case 'add':
      case 'grow':
        this.#block = { action, slow: this.machine.run(action, this.journal.growth) };
        return;
      default:
        this.#actAtOnce(action, facts, nowMs);
    }
  }

  #actAtOnce(action: QuickAction, facts: Facts, nowMs: number): void {
    const event = eventOfQuick(action, this.journal, facts, nowMs);
    // Tasks run again before the journal says so: a crash in between releases them once more.
    if (action.do === 'release') this.machine.setFrozen(false);
    this.#keep(recordQuick(this.journal, action, this.#draw(nowMs)));
    if (event) this.machine.report(event);
    switch (action.do) {
      case 'brake':
        return this.machine.setFrozen(true);
      case 'warn':
        return void this.#warned.add(action.of);
      case 'recovered':
        return void this.#warned.delete(action.of);
      case 'adopt':
      case 'discard':
        return this.#forget(action.volume.volumeId);
      case 'release-ballast':
        return this.machine.releaseBallast();
      case 'end-host':
        this.#warned.add('io-error');
        return this.machine.endHost(action.reason);
      default:
    }
  }

  /** What EC2 said of it is history. */
  #forget(volumeId: string): void {
    const isOther = (one: SeenVolume): boolean => one.volumeId !== volumeId;
    this.#own = this.#own?.filter(isOther) ?? null;
    this.#unused = this.#unused?.filter(isOther) ?? null;
  }

  #keep(journal: Journal): void {
    if (journal === this.journal) return;
    this.machine.save(journal);
    this.journal = journal;
  }
}

/** A name of a device can go to another one, so the serial belongs to it. */
export const keyOf = ({ path, serial }: Pick<BlockDevice, 'path' | 'serial'>): string =>
  `${path} ${serial}`;
