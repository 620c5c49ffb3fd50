/** Writes scripts again that somebody overwrote or removed. */
import { sha256 } from '../../../core/ids.ts';
import { renderScript } from '../../../core/container/script.ts';
import { scriptKey } from '../../../core/files/s3-layout.ts';
import { readTemplatesOf } from '../../../db/templates.ts';
import type { Runtime } from '../../runtime.ts';

/** Of the templates of these tasks. Their names are the digests of their contents. */
export async function rewriteScripts(runtime: Runtime, taskIds: readonly number[]): Promise<void> {
  for (const { owner, template } of await readTemplatesOf(runtime.database.pool, taskIds)) {
    const script = renderScript(template);
    const key = scriptKey(
      { installation: runtime.installation, owner },
      sha256(script).toString('hex'),
    );
    await runtime.objects.put(runtime.workUrl(key), script);
  }
}
