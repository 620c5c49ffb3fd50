/**
 * What a process adds up by owner until it is sent to the worker that counts for the fleet. A label
 * value per owner and process would be too many series.
 */
import type { FailureKind } from '../core/retry/failures.ts';

type UsageKind = 'vcpu-seconds' | 'cost' | `failed:${FailureKind}`;

interface UsageAmount {
  kind: UsageKind;
  owner: string;
  amount: number;
}

export interface Usage {
  add(kind: UsageKind, owner: string, amount: number): void;
  /** What was added since the last call. */
  take(): UsageAmount[];
}

export function createUsage(): Usage {
  let sums = new Map<string, UsageAmount>();
  return {
    add(kind, owner, amount) {
      const key = `${kind} ${owner}`;
      const sum = sums.get(key);
      if (sum) sum.amount += amount;
      else sums.set(key, { kind, owner, amount });
    },
    take() {
      const taken = [...sums.values()];
      sums = new Map();
      return taken;
    },
  };
}
