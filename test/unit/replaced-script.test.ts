/** A client's script is read after its identity was seen, and may have been replaced in between. */
import { expect, test } from 'vitest';
import { createEtagTrust } from '../../aws/etag-trust.ts';
import { resolveComponents } from '../../aws/fingerprints.ts';
import type { ObjectStore } from '../../aws/s3.ts';
import type { Components } from '../../core/cache/fingerprint.ts';
import { cromwellScript, cromwellTask } from '../cromwell.ts';
import { memoInMemory } from '../memo.ts';
import { parse } from './profile-world.ts';

const [OLD, NEW] = ['0'.repeat(32), '1'.repeat(32)];
const task = cromwellTask('s3-root');

/** @param now the script's ETag when it is read; it was OLD when it was listed */
async function componentsWhenRead(now: string): Promise<Components> {
  const { spec, profile } = parse(task);
  const seen = (url: string) => ({ url, etag: OLD, sizeBytes: 9, lastModifiedMs: 1 });
  const objects = {
    async getTail(_url: string, _bytes: number, ifEtag?: string) {
      if (ifEtag !== undefined && ifEtag !== now) {
        const cause = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } };
        throw new Error('S3 could not read it', { cause });
      }
      return Buffer.from(cromwellScript(task, 'tool'));
    },
    describe: async (url: string) => ({ ...seen(url), checksums: {} }),
    async *list(prefix: string) {
      yield spec.inputs.flatMap(({ url }) => (url?.startsWith(prefix) ? [seen(url)] : []));
    },
  } as unknown as ObjectStore;
  const sources = { objects, memo: memoInMemory(), etags: createEtagTrust({}) };
  const [described] = await resolveComponents(sources, [{ spec, profile }]);
  return described?.components ?? {};
}

const scriptOf = (components: Components): string | undefined =>
  Object.entries(components).find(([name]) => name.endsWith('/execution/script]'))?.[1];

test('a script that was replaced after its identity was seen is compared as it is, so that no other text stands for what the run reads', async () => {
  expect(scriptOf(await componentsWhenRead(OLD))).toMatch(/^FILE script [0-9a-f]{64}$/);
  expect(scriptOf(await componentsWhenRead(NEW))).toBe(`FILE etag ${OLD} 9`);
});
