/** Whether the database answers. */
import type { Session } from './client.ts';
import { select } from './rows.ts';

/** Throws when it does not. It reads a table: a server that is about to go still answers SELECT 1. */
export async function pingDatabase(session: Session): Promise<void> {
  await select(session, 'SELECT id FROM tasks LIMIT 1');
}
