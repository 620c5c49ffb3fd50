/** Registers job definitions: one registration per content across the fleet. */
import type { RegisterOutcome } from '../../../aws/batch.ts';
import { definitionName } from '../../../core/container/job-definition.ts';
import {
  claimRegistration,
  readJobDefinition,
  releaseRegistration,
  saveRevision,
  type JobDefinitionRow,
} from '../../../db/job-definitions.ts';
import type { Runtime } from '../../runtime.ts';

/** `under-way` while another worker registers it. */
export type Registration = RegisterOutcome | { is: 'under-way' };

export async function registerDefinition(
  runtime: Runtime,
  definition: JobDefinitionRow,
): Promise<Registration> {
  if (definition.revision !== null) return { is: 'registered', revision: definition.revision };
  const { pool } = runtime.database;
  const nowMs = runtime.nowMs();
  // A worker that died here holds its claim no longer than its messages. If it is alive after all,
  // two equal revisions do no harm.
  const claim = { id: definition.id, nowMs, untilMs: nowMs + runtime.config.lockMs };
  if (!(await claimRegistration(pool, claim))) {
    const revision = (await readJobDefinition(pool, definition.id))?.revision ?? null;
    return revision === null ? { is: 'under-way' } : { is: 'registered', revision };
  }
  try {
    const outcome = await runtime.batch.register({
      jobDefinitionName: definitionName(definition.content, definition.digest),
      ...definition.content,
      propagateTags: true,
      tags: { 'batchwell:content': definition.digest.toString('hex') },
    });
    if (outcome.is === 'registered')
      await saveRevision(pool, {
        id: definition.id,
        revision: outcome.revision,
        nowMs: runtime.nowMs(),
      });
    return outcome;
  } finally {
    // Also after a failure, so that the next try need not wait for the claim to lapse.
    await releaseRegistration(pool, claim);
  }
}
