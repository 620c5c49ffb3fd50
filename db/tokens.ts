/** Bearer tokens as they are kept: by digest, with what they allow. */
import type { ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import type { Access } from '../core/access/access.ts';
import type { Session } from './client.ts';

export interface TokenRow {
  id: number;
  /** What it is for, in its maker's words. */
  name: string;
  access: Access;
  createdMs: number;
  /** Absent: never. */
  expiresMs?: number;
  revokedMs?: number;
}

const COLUMNS = 'id, name, access, created_ms, expires_ms, revoked_ms';

const toRow = (row: RowDataPacket): TokenRow => ({
  id: row['id'],
  name: row['name'],
  access: JSON.parse(row['access']),
  createdMs: row['created_ms'],
  ...(row['expires_ms'] !== null && { expiresMs: row['expires_ms'] }),
  ...(row['revoked_ms'] !== null && { revokedMs: row['revoked_ms'] }),
});

/** Returns its id. @param token its SHA-256 as `digest`; the token itself is kept nowhere */
export async function insertToken(
  session: Session,
  token: Omit<TokenRow, 'id' | 'revokedMs'> & { digest: Buffer },
): Promise<number> {
  const [result] = await session.query<ResultSetHeader>(
    'INSERT INTO tokens (digest, name, access, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)',
    [
      token.digest,
      token.name,
      JSON.stringify(token.access),
      token.createdMs,
      token.expiresMs ?? null,
    ],
  );
  return result.insertId;
}

/** Also one that has expired or was revoked. */
export async function readToken(session: Session, digest: Buffer): Promise<TokenRow | undefined> {
  const [rows] = await session.query<RowDataPacket[]>(
    `SELECT ${COLUMNS} FROM tokens WHERE digest = ?`,
    [digest],
  );
  return rows[0] && toRow(rows[0]);
}

/** Newest first. */
export async function listTokens(session: Session): Promise<TokenRow[]> {
  const [rows] = await session.query<RowDataPacket[]>(
    `SELECT ${COLUMNS} FROM tokens ORDER BY id DESC`,
  );
  return rows.map(toRow);
}

/** False when there is no such token; one that was revoked before keeps its time. */
export async function revokeToken(session: Session, id: number, nowMs: number): Promise<boolean> {
  const [result] = await session.query<ResultSetHeader>(
    'UPDATE tokens SET revoked_ms = COALESCE(revoked_ms, ?) WHERE id = ?',
    [nowMs, id],
  );
  return result.affectedRows > 0;
}
