/** Of which devices the disk of a new host is made, as a pure function. */
import type { Content } from './facts.ts';
import { GIB, type Policy } from './policy.ts';

export interface Candidate {
  path: string;
  sizeBytes: number;
  isInstanceStore: boolean;
  content: Content;
}

export type FirstDisk =
  /** `striped` first; the others follow one after the other. */
  { striped: string[]; more: string[] } | { problem: string };

export function chooseFirstDisk(policy: Policy, candidates: readonly Candidate[]): FirstDisk {
  const blank = candidates.filter(({ content }) => content.is === 'blank');
  const nvme = blank.filter((one) => one.isInstanceStore).map(({ path }) => path);
  const volume = chooseVolume(policy, blank);
  if (policy.mode === 'instance-store')
    return nvme.length > 0
      ? { striped: nvme, more: [] }
      : {
          problem:
            'The instance type has no empty NVMe disk. DiskMode=instance-store needs types that have ' +
            `one, such as c6id, m6id, or r6id.${seen(candidates)}`,
        };
  if (policy.mode === 'elastic' && nvme.length > 0)
    return { striped: nvme, more: 'path' in volume ? [volume.path] : [] };
  if ('path' in volume) return { striped: [volume.path], more: [] };
  return {
    problem:
      policy.mode === 'elastic' && policy.firstGiB === 0
        ? `The instance type has no empty NVMe disk, and the launch template adds no volume: name the types in InstanceTypes.${seen(candidates)}`
        : volume.problem + seen(candidates),
  };
}

/** The launch template's volume is empty and has exactly its size. */
function chooseVolume(
  { firstGiB }: Policy,
  blank: readonly Candidate[],
): { path: string } | { problem: string } {
  const fitting = blank.filter(
    ({ isInstanceStore, sizeBytes }) => !isInstanceStore && sizeBytes === firstGiB * GIB,
  );
  const [only] = fitting;
  if (only === undefined)
    return {
      problem: `There is no empty volume of ${firstGiB} GiB, as the launch template adds it.`,
    };
  return fitting.length === 1
    ? { path: only.path }
    : {
        problem: `${fitting.length} empty volumes have ${firstGiB} GiB, so it is not known which is for tasks. Choose another DiskGiB.`,
      };
}

const seen = (candidates: readonly Candidate[]): string =>
  ` Seen: ${candidates.map(describe).join(', ') || 'no NVMe device'}.`;

function describe({ path, sizeBytes, content }: Candidate): string {
  const what = content.is === 'foreign' ? content.signature : content.is;
  return `${path} (${Math.floor(sizeBytes / GIB)} GiB, ${what})`;
}
