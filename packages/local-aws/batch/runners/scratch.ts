/** What crashed servers leave behind. */
import { mkdir, rm } from 'node:fs/promises';
import type { Cgroups } from './cgroups.ts';

/**
 * Empties the scratch folder. The tasks of an earlier server ended with it.
 */
export async function sweepScratch(
  scratchFolder: string,
  keepScratch: boolean,
  cgroups?: Cgroups,
): Promise<void> {
  cgroups?.sweep();
  if (!keepScratch) await rm(scratchFolder, { recursive: true, force: true, maxRetries: 3 });
  await mkdir(scratchFolder, { recursive: true });
}
