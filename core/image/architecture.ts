/** The CPU architecture of the hosts of a Batch job queue. */

export const architectures = ['x86-64', 'arm64'] as const;
export type Architecture = (typeof architectures)[number];

const isArchitecture = (text: string): text is Architecture =>
  architectures.some((one) => one === text);

/** Of an ARN the queue's name: a task may name a queue by either. */
const queueName = (queue: string): string => queue.replace(/^arn:.*:job-queue\//, '');

/** Every other queue. */
const ANY = '*';

/**
 * From `queue=architecture` entries. `*` stands for every queue that is not named; x86-64 without.
 * Throws an Error that says what was expected.
 */
export function readQueueArchitectures(
  entries: readonly string[],
): (queue: string) => Architecture {
  const known = new Map(
    entries.map((entry): [string, Architecture] => {
      const at = entry.lastIndexOf('=');
      const architecture = entry.slice(at + 1);
      if (at < 1 || !isArchitecture(architecture))
        throw new Error(
          `expected queue=architecture with one of ${architectures.join(', ')}, got ${JSON.stringify(entry)}`,
        );
      return [queueName(entry.slice(0, at)), architecture];
    }),
  );
  return (queue) => known.get(queueName(queue)) ?? known.get(ANY) ?? 'x86-64';
}
