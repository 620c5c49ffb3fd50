/** Templates never change, so a process reads each of them once. */
import type { Template } from '../core/task/template.ts';
import type { Session } from './client.ts';
import { fromJson, select, write } from './rows.ts';
import { clip } from './statement-size.ts';

export interface TemplateRow {
  id: number;
  template: Template;
  /** SHA-256 of its script in hex, once the script is in S3. */
  scriptSha256: string | null;
}

/** Enough for every shape of a busy day. A template is a few kB. */
const LARGEST_CACHE = 2000;

export interface TemplateCache {
  read(session: Session, ids: Iterable<number>): Promise<Map<number, TemplateRow>>;
}

export function createTemplateCache(): TemplateCache {
  const known = new Map<number, TemplateRow>();
  return {
    async read(session, ids) {
      const wanted = [...new Set(ids)];
      const unknown = wanted.filter(
        (id) => known.get(id)?.scriptSha256 === undefined || known.get(id)?.scriptSha256 === null,
      );
      const fresh = unknown.length === 0 ? [] : await readTemplates(session, unknown);
      const rows = new Map(fresh.map((row) => [row.id, row]));
      for (const id of wanted) {
        const row = rows.get(id) ?? known.get(id);
        if (row) rows.set(id, row);
      }
      for (const [id, row] of rows) {
        known.delete(id);
        known.set(id, row);
      }
      for (const id of known.keys()) {
        if (known.size <= LARGEST_CACHE) break;
        known.delete(id);
      }
      return rows;
    },
  };
}

async function readTemplates(session: Session, ids: readonly number[]): Promise<TemplateRow[]> {
  const rows = await select<Omit<TemplateRow, 'template'> & { body: string }>(
    session,
    'SELECT id, body, LOWER(HEX(script_sha256)) AS scriptSha256 FROM templates WHERE id IN (?)',
    [ids],
  );
  return rows.map((row) => ({
    id: row.id,
    template: fromJson<Template>(row.body),
    scriptSha256: row.scriptSha256,
  }));
}

/** S3 denies that its script is written. */
export async function blockTemplate(
  session: Session,
  id: number,
  { reason, nowMs }: { reason: string; nowMs: number },
): Promise<void> {
  await write(
    session,
    'UPDATE templates SET blocked = ?, blocked_ms = COALESCE(blocked_ms, ?) WHERE id = ?',
    [clip(reason), nowMs, id],
  );
}

/** No task can go on without its template, and templates in use are never pruned. */
export const templateMissing = (taskId: number, templateId: number): Error =>
  new Error(`Task ${taskId} names template ${templateId}, which is not in the database.`);

/** Each once, with its owner. */
export async function readTemplatesOf(
  session: Session,
  taskIds: readonly number[],
): Promise<{ owner: string; template: Template }[]> {
  const rows = await select<{ owner: string; body: string }>(
    session,
    `SELECT DISTINCT tasks.owner, templates.body FROM tasks
     JOIN templates ON templates.id = tasks.template_id WHERE tasks.id IN (?)`,
    [taskIds],
  );
  return rows.map(({ owner, body }) => ({ owner, template: fromJson<Template>(body) }));
}

/** Records that the script of a template is in S3 under its digest (hex). */
export async function markTemplateStaged(
  session: Session,
  id: number,
  scriptSha256: string,
): Promise<void> {
  await write(
    session,
    `UPDATE templates SET script_sha256 = UNHEX(?), blocked = NULL, blocked_ms = NULL
      WHERE id = ? AND script_sha256 IS NULL`,
    [scriptSha256, id],
  );
}
