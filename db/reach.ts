/** Whether a database answers: for commands that should say so at once, and not after a minute. */
import { createConnection } from 'mysql2/promise';
import { connectionOptions } from './pool.ts';
import { messageOf } from './unavailable.ts';

const CONNECT_MS = 5000;

/** Why no connection can be made; undefined if one can. */
export async function whyUnreachable(url: string): Promise<string | undefined> {
  try {
    const connection = await createConnection(connectionOptions(url, CONNECT_MS));
    connection.destroy();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
