/** In which order the outputs of a hit are copied, so that no copy overwrites a source that another one still needs. */
import { isPinned } from './hit-mode.ts';

export interface PlannedCopy {
  fromUrl: string;
  toUrl: string;
  /** Below the output's URL. */
  path?: string;
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
  return rcLast(
    inWaves([...byDestination.values()].filter(({ fromUrl, toUrl }) => fromUrl !== toUrl)),
  );
}

/**
 * To whoever watches a folder, its rc means that the call has ended (Cromwell's config backend): it
 * comes last, as the stager writes it. It needs its own source until then.
 */
function rcLast<C extends PlannedCopy>(plan: CopyPlan<C>): CopyPlan<C> {
  if (plan.do === 'run') return plan;
  const copies = plan.waves.flat();
  const isRc = ({ path }: C): boolean => path === 'rc';
  const last = copies.filter(isRc);
  if (last.length === 0) return plan;
  const written = new Set(copies.filter((copy) => !isRc(copy)).map(({ toUrl }) => toUrl));
  if (last.some(({ fromUrl, versionId }) => !isPinned(versionId) && written.has(fromUrl)))
    return { do: 'run', because: 'The task overwrites the rc of an earlier one before it ends.' };
  const before = plan.waves.map((wave) => wave.filter((copy) => !isRc(copy)));
  return { do: 'copy', waves: [...before, last].filter((wave) => wave.length > 0) };
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
