/** What jobs and crashed servers leave behind. */
import { mkdir } from 'node:fs/promises';
import { removeTree } from '../../remove-tree.ts';
import type { Cgroups } from './cgroups.ts';

/** What cannot be removed is reported and stays: it concerns no other job. */
export async function removeScratch(folder: string): Promise<void> {
  await removeTree(folder).catch((cause: unknown) =>
    process.emitWarning(`The scratch ${folder} could not be removed: ${String(cause)}`),
  );
}

/**
 * Empties the scratch folder. The tasks of an earlier server ended with it.
 */
export async function sweepScratch(
  scratchFolder: string,
  keepScratch: boolean,
  cgroups?: Cgroups,
): Promise<void> {
  cgroups?.sweep();
  if (!keepScratch) await removeScratch(scratchFolder);
  await mkdir(scratchFolder, { recursive: true });
}
