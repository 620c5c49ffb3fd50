/** Ids as callers see them. */
import { createHash } from 'node:crypto';

const CHECK_LENGTH = 6;

const checkOf = (kind: string, key: number, createdMs: number): string =>
  createHash('sha256').update(`${kind}:${key}:${createdMs}`).digest('hex').slice(0, CHECK_LENGTH);

interface ParsedId {
  /**
   * The key of the row. The caller must compare the id with `publicId` of the row that it finds.
   */
  key: number;
}

/**
 * `task-2s-9f31c4`: the key of the row in base 36, then a check made of its creation time. Clients keep
 * ids for days (Cromwell polls them after its restart). With the check, an id never matches another
 * task that has the same key in a database that was created again.
 */
export function publicId(kind: 'task' | 'scatter', row: { id: number; createdMs: number }): string {
  return `${kind}-${row.id.toString(36)}-${checkOf(kind, row.id, row.createdMs)}`;
}

/** The key of the row in an id, or undefined when it is not an id of that kind. */
export function parseId(kind: 'task' | 'scatter', id: string): ParsedId | undefined {
  const match = new RegExp(`^${kind}-([0-9a-z]{1,11})-[0-9a-f]{${CHECK_LENGTH}}$`).exec(id);
  const key = match?.[1] === undefined ? Number.NaN : Number.parseInt(match[1], 36);
  return Number.isSafeInteger(key) && key > 0 ? { key } : undefined;
}

/** SHA-256 of a text or bytes. */
export const sha256 = (data: string | Uint8Array): Buffer =>
  createHash('sha256').update(data).digest();
