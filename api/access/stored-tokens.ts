/** Tokens that were made here: read from the database, and remembered for a moment. */
import { randomBytes } from 'node:crypto';
import { forgetOldest } from '../../core/forget-oldest.ts';
import { sha256 } from '../../core/ids.ts';
import { readToken, type TokenRow } from '../../db/tokens.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import type { ApiDependencies } from '../dependencies.ts';
import type { Caller, Refused } from './caller.ts';

const PREFIX = 'bw_';
/** 256 random bits in base64url. */
const TOKEN = /^bw_[\w-]{43}$/;

export const newToken = (): string => PREFIX + randomBytes(32).toString('base64url');

export const digestOfToken = (token: string): Buffer => sha256(token);

/** After so long a revoked token opens nothing any more, in every process. */
export const FRESH_MS = 10_000;
/** Tokens that were asked for, known or not; the oldest go first. */
const MOST_REMEMBERED = 10_000;

interface Remembered {
  row: TokenRow | undefined;
  readMs: number;
}

export function createStoredTokens({
  database,
  nowMs,
}: Pick<ApiDependencies, 'database' | 'nowMs'>) {
  const remembered = new Map<string, Remembered>();

  const look = async (key: string, digest: Buffer): Promise<TokenRow | undefined> => {
    const known = remembered.get(key);
    if (known && nowMs() - known.readMs < FRESH_MS) return known.row;
    try {
      const row = await readToken(database.pool, digest);
      remembered.delete(key);
      remembered.set(key, { row, readMs: nowMs() });
      forgetOldest(remembered, MOST_REMEMBERED);
      return row;
    } catch (error) {
      // Polls must be answered while the database is away; one that this process knows stays known meanwhile.
      if (known?.row && isDatabaseAway(error)) return known.row;
      throw error;
    }
  };

  return {
    isOne: (token: string): boolean => TOKEN.test(token),
    async find(token: string): Promise<Caller | Refused> {
      const digest = digestOfToken(token);
      const row = await look(digest.toString('hex'), digest);
      if (!row) return { refused: 'The token is not known here.' };
      if (row.revokedMs !== undefined) return { refused: 'The token was revoked.' };
      if (row.expiresMs !== undefined && row.expiresMs <= nowMs())
        return { refused: `The token expired at ${new Date(row.expiresMs).toISOString()}.` };
      return { access: row.access, countedAs: `token:${row.id}` };
    },
  };
}
