/** In which order the outputs of a hit are copied, so that no copy overwrites a source that another one still needs. */
import { isPinned } from './hit-mode.ts';

export interface PlannedCopy {
  fromUrl: string;
  toUrl: string;
  sizeBytes: number;
  crc64nvme: string;
  /** Where the bucket keeps versions: such a source outlives its being overwritten. */
  versionId: string | null;
}

export type CopyPlan<C extends PlannedCopy> =
  /** The copies of one wave may run side by side; a wave begins when the one before it has ended. */
  | { do: 'copy'; waves: C[][] }
  /** No order gives every output its bytes. */
  | { do: 'run'; because: string };

const sameBytes = (one: PlannedCopy, other: PlannedCopy): boolean =>
  one.crc64nvme === other.crc64nvme && one.sizeBytes === other.sizeBytes;

export function planCopies<C extends PlannedCopy>(copies: readonly C[]): CopyPlan<C> {
  const byDestination = new Map<string, C>();
  for (const copy of copies) {
    const other = byDestination.get(copy.toUrl);
    if (other && !sameBytes(copy, other))
      return {
        do: 'run',
        because: `Two outputs of different content have the URL ${copy.toUrl}.`,
      };
    // Of equal bytes, those that are already in place need no copy.
    if (!other || copy.fromUrl === copy.toUrl) byDestination.set(copy.toUrl, copy);
  }
  return inWaves([...byDestination.values()].filter(({ fromUrl, toUrl }) => fromUrl !== toUrl));
}

function inWaves<C extends PlannedCopy>(copies: readonly C[]): CopyPlan<C> {
  const waves: C[][] = [];
  for (let open = copies; open.length > 0;) {
    const needed = new Set(
      open.flatMap(({ fromUrl, versionId }) => (isPinned(versionId) ? [] : [fromUrl])),
    );
    const ready = open.filter(({ toUrl }) => !needed.has(toUrl));
    if (ready.length === 0) {
      const urls = open.map(({ toUrl }) => toUrl).join(', ');
      return { do: 'run', because: `The task exchanges the URLs of earlier outputs: ${urls}.` };
    }
    waves.push(ready);
    open = open.filter(({ toUrl }) => needed.has(toUrl));
  }
  return { do: 'copy', waves };
}
