/** What is at the URL of an output that the earlier run did not write: it is no output of the hit. */
import { isPermanent } from '../../../../aws/s3-errors.ts';
import type { OutputOf } from '../../../../core/task/task.ts';
import type { Runtime } from '../../../runtime.ts';
import type { Hit } from './hit.ts';

/** A warning for each. Throws when S3 does not tell. */
export async function findLeftovers(
  runtime: Runtime,
  { spec, outputs }: Pick<Hit, 'spec' | 'outputs'>,
): Promise<string[]> {
  const written = new Set(outputs.map(({ output }) => output));
  // What goes out under the URL that it came in by is the caller's own.
  const inputs = new Set(spec.inputs.map(({ url }) => url));
  const warnings: string[] = [];
  for (const [position, output] of spec.outputs.entries()) {
    if (written.has(position) || inputs.has(output.url)) continue;
    if (await isAnythingAt(runtime, output))
      warnings.push(
        `The earlier run did not write output ${output.path}. What is at ${output.url} is not an output of this task. It was not changed.`,
      );
  }
  return warnings;
}

async function isAnythingAt(
  { objects }: Runtime,
  { url, type }: OutputOf<string>,
): Promise<boolean> {
  try {
    if (type === 'FILE') return (await objects.describe(url)) !== undefined;
    const folder = url.endsWith('/') ? url : `${url}/`;
    for await (const page of objects.list(folder, { firstPage: 1 })) return page.length > 0;
    return false;
  } catch (error) {
    if (isPermanent(error)) return false;
    throw error;
  }
}
