/** Ended tasks, read whole, so that they can be accepted once more. */
import type { ProfileName } from '../core/profiles/profile-names.ts';
import type { CacheMode, MergeMode, NewTask } from '../core/task/task.ts';
import { fillTemplate } from '../core/task/template.ts';
import type { Session } from './client.ts';
import { fromJson, select } from './rows.ts';
import { templateMissing, type TemplateCache } from './templates.ts';

interface EndedRow {
  id: number;
  name: string;
  description: string;
  tags: string;
  templateId: number;
  slotValues: string;
  cache: CacheMode;
  merge: MergeMode;
  profile: ProfileName;
  warnings: string | null;
}

const IDS_PER_READ = 500;

/** In the order of their ids, as they were accepted. Tasks that are gone are left out. */
export async function readForRetry(
  session: Session,
  templates: TemplateCache,
  ids: readonly number[],
): Promise<NewTask[]> {
  const tasks: NewTask[] = [];
  for (let start = 0; start < ids.length; start += IDS_PER_READ) {
    const rows = await select<EndedRow>(
      session,
      `SELECT id, name, description, tags, template_id AS templateId, slot_values AS slotValues,
         cache, merge, profile, warnings
       FROM tasks WHERE id IN (?) ORDER BY id`,
      [ids.slice(start, start + IDS_PER_READ)],
    );
    const known = await templates.read(
      session,
      rows.map(({ templateId }) => templateId),
    );
    for (const row of rows) {
      const template = known.get(row.templateId)?.template;
      if (!template) throw templateMissing(row.id, row.templateId);
      tasks.push({
        name: row.name,
        description: row.description,
        tags: fromJson<Record<string, string>>(row.tags),
        cache: row.cache,
        merge: row.merge,
        profile: row.profile,
        spec: fillTemplate(template, fromJson<string[]>(row.slotValues)),
        ...(row.warnings !== null && { warnings: fromJson<string[]>(row.warnings) }),
      });
    }
  }
  return tasks;
}
