/** What the daemon needs of a host and of EC2. host/ and ec2/ do it for real, the tests play it. */
import type { BlockAction, BlockOutcome, Ec2Action, Ec2Outcome } from './rules/action.ts';
import type { BlockDevice, Content, Facts, FileSystem } from './rules/facts.ts';
import type { Growth, Journal } from './rules/journal.ts';
import type { DiskEvent } from './rules/events.ts';

export interface Glance {
  fileSystem: FileSystem;
  tasks: Facts['tasks'];
  rootFreeBytes: number;
  hasBallast: boolean;
  ioError: string | null;
  /** Absent unless devices were asked for: an idle look must cost next to nothing. */
  devices?: readonly Omit<BlockDevice, 'content'>[];
}

export interface Inspection {
  contents: ReadonlyMap<string, Content>;
  isFileSystemWhole: boolean;
}

/** Something that takes time. It is asked for its end at each look, so that no look waits. */
export interface Slow<T> {
  settled(): T | undefined;
}

export interface BlockResult {
  outcome: BlockOutcome;
  /** Of `inspect`. */
  inspection?: Inspection;
}

export interface Machine {
  instanceId: string;
  zone: string;
  glance(withDevices: boolean): Glance;
  save(journal: Journal): void;
  setFrozen(isFrozen: boolean): void;
  releaseBallast(): void;
  endHost(reason: string): void;
  ask(action: Ec2Action, growth: Growth | null): Slow<Ec2Outcome>;
  run(action: BlockAction, growth: Growth | null): Slow<BlockResult>;
  /** From 0 to 1. */
  chance(): number;
  token(): string;
  report(event: DiskEvent): void;
}
