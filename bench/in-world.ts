/** Runs a benchmark in a world of its own, which is closed afterwards whatever happens. */
import type { AwsSettings } from './aws-process.ts';
import type { BenchOptions } from './options.ts';
import type { World } from './world.ts';

/** What the benchmark asks for. The settings of the command line win over its `aws`. */
interface Wanted {
  workers: number;
  aws?: Partial<AwsSettings>;
  databaseMib?: number;
}

export async function inWorld<T>(
  { openWorld, seed, world }: BenchOptions,
  { workers, aws, databaseMib }: Wanted,
  work: (world: World) => Promise<T>,
): Promise<T> {
  const opened = await openWorld({
    ...world,
    workers,
    seed,
    ...(databaseMib !== undefined && { databaseMib }),
    aws: { ...aws, ...world.aws },
  });
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}
