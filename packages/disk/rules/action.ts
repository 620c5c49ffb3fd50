/** What decideDisk may ask for. Effects read the value; nothing else is done to a disk. */
import type { SeenVolume, Warning } from './facts.ts';

/** Requests to EC2. One at a time. */
export type Ec2Action =
  | { do: 'create' }
  | { do: 'attach' }
  | { do: 'protect' }
  | { do: 'detach'; volumeId: string }
  | { do: 'delete'; volumeId: string }
  | { do: 'describe'; which: 'own' | 'unused' };

/** Commands of LVM and XFS. One at a time. */
export type BlockAction = { do: 'inspect' } | { do: 'add'; device: string } | { do: 'grow' };

/** They change the journal, and then at most one file. */
export type QuickAction =
  | { do: 'plan'; sizeGiB: number; deviceName: string; reason: string }
  | { do: 'adopt'; volume: SeenVolume }
  | { do: 'see'; device: string }
  | { do: 'added' }
  | { do: 'grown' }
  /** The volume of this growth is no longer wanted; `keep`: it is not ours to delete. */
  | { do: 'abandon'; reason: string; keep: boolean }
  | { do: 'pause'; reason: string }
  | { do: 'drop'; volumeId: string }
  | { do: 'discard'; volume: SeenVolume }
  /** Until this much is free. */
  | { do: 'brake'; belowBytes: number }
  | { do: 'release'; reason: 'grown' | 'spent' | 'not ours' }
  | { do: 'warn'; of: Warning; sentence: string }
  | { do: 'recovered'; of: Warning }
  | { do: 'release-ballast' }
  | { do: 'end-host'; reason: string };

export type Action = Ec2Action | BlockAction | QuickAction | { do: 'wait'; waitMs: number };

/** What EC2 answered. */
export type Ec2Outcome =
  | { is: 'created'; volumeId: string }
  | { is: 'attached'; deviceName: string }
  | { is: 'done' }
  | { is: 'described'; volumes: SeenVolume[] }
  | Ec2Refusal;

export interface Ec2Refusal {
  is: 'refused';
  kind:
    /** Throttled, 5xx, or no answer. */
    | 'transient'
    /** The state of the volume does not allow it yet. */
    | 'not-yet'
    | 'denied'
    /** No more volumes, GiB, or attachments. */
    | 'limit'
    | 'capacity'
    | 'name-taken'
    | 'not-attached'
    | 'gone'
    | 'other';
  /** The request may have had its effect. */
  isDoubtful: boolean;
  /** Action of IAM. */
  action: string;
  sentence: string;
}

export type BlockOutcome = { is: 'done' } | { is: 'failed'; sentence: string };
