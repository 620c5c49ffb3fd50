/** Finds the best way to run containers on this machine. */
import type { Runner } from '../runner.ts';

export interface ChooseOptions {
  dataFolder: string;
  keepScratch: boolean;
}

export async function chooseRunner(_options: ChooseOptions): Promise<Runner> {
  throw new Error('not yet');
}
