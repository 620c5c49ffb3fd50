/** Bearer tokens as they are stored: by digest, with the access they grant. */
import type { Access } from '../core/access/access.ts';
import type { Session } from './client.ts';
import { fromJson, select, selectFirst, write } from './rows.ts';

export interface TokenRow {
  id: number;
  /** Its purpose, in the words of whoever created it. */
  name: string;
  access: Access;
  createdMs: number;
  /** Absent when it never expires. */
  expiresMs?: number;
  revokedMs?: number;
}

const COLUMNS =
  'id, name, access, created_ms AS createdMs, expires_ms AS expiresMs, revoked_ms AS revokedMs';

interface StoredToken {
  id: number;
  name: string;
  access: string;
  createdMs: number;
  expiresMs: number | null;
  revokedMs: number | null;
}

const toRow = ({ access, expiresMs, revokedMs, ...row }: StoredToken): TokenRow => ({
  ...row,
  access: fromJson<Access>(access),
  ...(expiresMs !== null && { expiresMs }),
  ...(revokedMs !== null && { revokedMs }),
});

/** Returns its id. @param token with its SHA-256 as `digest`; the token itself is not stored */
export async function insertToken(
  session: Session,
  token: Omit<TokenRow, 'id' | 'revokedMs'> & { digest: Buffer },
): Promise<number> {
  const result = await write(
    session,
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

/** Also finds a token that has expired or was revoked. */
export async function readToken(session: Session, digest: Buffer): Promise<TokenRow | undefined> {
  const row = await selectFirst<StoredToken>(
    session,
    `SELECT ${COLUMNS} FROM tokens WHERE digest = ?`,
    [digest],
  );
  return row && toRow(row);
}

/** Newest first. */
export async function listTokens(session: Session): Promise<TokenRow[]> {
  const rows = await select<StoredToken>(session, `SELECT ${COLUMNS} FROM tokens ORDER BY id DESC`);
  return rows.map(toRow);
}

/** False when there is no such token. A token that was already revoked keeps its time. */
export async function revokeToken(session: Session, id: number, nowMs: number): Promise<boolean> {
  const result = await write(
    session,
    'UPDATE tokens SET revoked_ms = COALESCE(revoked_ms, ?) WHERE id = ?',
    [nowMs, id],
  );
  return result.affectedRows > 0;
}
