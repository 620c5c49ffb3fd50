/** Tokens in the database, cached for some seconds. */
import { randomBytes } from 'node:crypto';
import { ownerInstead } from '../../core/access/owner-name.ts';
import { forgetOldest } from '../../core/forget-oldest.ts';
import { sha256 } from '../../core/ids.ts';
import { readToken, type TokenRow } from '../../db/tokens.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { UNKNOWN_TOKEN, type Caller, type Refused } from './caller.ts';

const PREFIX = 'bw_';
/** 256 random bits in base64url. */
const TOKEN = /^bw_[\w-]{43}$/;

export const newToken = (): string => PREFIX + randomBytes(32).toString('base64url');

export const digestOfToken = (token: string): Buffer => sha256(token);

/** A revoked token stops working within this time, in every process. */
export const FRESH_MS = 10_000;
/** Cached tokens, known and unknown; the oldest are dropped first. */
const MOST_CACHED = 10_000;

interface CachedToken {
  row: TokenRow | undefined;
  readMs: number;
}

export function createStoredTokens({
  database,
  nowMs,
}: Pick<ApiDependencies, 'database' | 'nowMs'>) {
  const cached = new Map<string, CachedToken>();

  const read = async (key: string, digest: Buffer): Promise<TokenRow | undefined> => {
    const known = cached.get(key);
    if (known && nowMs() - known.readMs < FRESH_MS) return known.row;
    try {
      const row = await readToken(database.pool, digest);
      cached.delete(key);
      cached.set(key, { row, readMs: nowMs() });
      forgetOldest(cached, MOST_CACHED);
      return row;
    } catch (error) {
      // Polls must succeed while the database is unavailable, so a cached token stays valid until
      // it is back.
      if (known?.row && isDatabaseAway(error)) return known.row;
      throw error;
    }
  };

  return {
    recognizes: (token: string): boolean => TOKEN.test(token),
    async find(token: string): Promise<Caller | Refused> {
      const digest = digestOfToken(token);
      const row = await read(digest.toString('hex'), digest);
      if (!row) return { refused: UNKNOWN_TOKEN };
      if (row.revokedMs !== undefined)
        return { refused: 'The token was revoked. Ask an administrator for a new one.' };
      if (row.expiresMs !== undefined && row.expiresMs <= nowMs())
        return {
          refused: `The token expired at ${rfc3339(row.expiresMs)}. Ask an administrator for a new one.`,
        };
      const { owner, cacheDomain } = row.access;
      // Earlier versions made such tokens.
      const expected = ownerInstead(owner) ?? ownerInstead(cacheDomain);
      if (expected !== undefined)
        return {
          refused:
            `The owner or the cache domain of the token cannot be used: expected ${expected}. ` +
            'Ask an administrator for a new one.',
        };
      return { access: row.access, countedAs: `token:${row.id}` };
    },
  };
}
