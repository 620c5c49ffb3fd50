/**
 * Finds the caller of a token: from the configuration, from the database, or from an OpenID
 * provider.
 */
import { timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../../config.ts';
import { fullAccess } from '../../core/access/access.ts';
import { isLoopback } from '../../core/access/other-sites.ts';
import { ownerInstead } from '../../core/access/owner-name.ts';
import { sha256 } from '../../core/ids.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { UNKNOWN_TOKEN, type Caller, type Refused } from './caller.ts';
import { openOidc } from './oidc.ts';
import { createStoredTokens } from './stored-tokens.ts';

export interface Callers {
  /** False when no tokens are configured: every caller is then the owner ''. */
  tokensRequired: boolean;
  /** The API listens on loopback only. */
  isLocal?: boolean;
  /** Rejects when the database or the provider is needed and unavailable. */
  find(token: string): Promise<Caller | Refused>;
}

/** Every caller, where no tokens are required. */
export const anonymous: Caller = { access: fullAccess(''), countedAs: '' };

export function createCallers(
  dependencies: Pick<ApiDependencies, 'config' | 'database' | 'nowMs'>,
): Callers {
  const configured = readTokens(dependencies.config.tokens);
  const stored = createStoredTokens(dependencies);
  const oidc = openOidc(dependencies.config, dependencies.nowMs);
  return {
    tokensRequired: configured.length > 0 || oidc !== undefined,
    isLocal: isLoopback(dependencies.config.host),
    async find(token) {
      const owner = ownerOf(configured, token);
      if (owner !== undefined)
        return { access: fullAccess(owner), countedAs: `configured:${owner}` };
      if (stored.recognizes(token)) return stored.find(token);
      if (oidc?.recognizes(token)) return oidc.find(token);
      return { refused: UNKNOWN_TOKEN };
    },
  };
}

/** Only the digest: tokens are never kept, and digests of equal length compare in constant time. */
interface ConfiguredToken {
  owner: string;
  digest: Buffer;
}

/**
 * Throws a ConfigError for an item that is not owner:token. The message does not show the token.
 */
function readTokens(items: readonly string[]): readonly ConfiguredToken[] {
  return items.map((item, index) => {
    const colon = item.indexOf(':');
    const [owner, token] = [item.slice(0, colon), item.slice(colon + 1)];
    const expected = colon < 1 || token === '' ? 'both' : ownerInstead(owner);
    if (expected !== undefined)
      throw new ConfigError(
        `BATCHWELL_TOKENS: item ${index + 1} is not owner:token: expected ${expected}. Correct the item.`,
      );
    return { owner, digest: sha256(token) };
  });
}

/** Compares all tokens, even after a match, so that the time taken reveals nothing. */
function ownerOf(tokens: readonly ConfiguredToken[], given: string): string | undefined {
  const digest = sha256(given);
  let owner: string | undefined;
  for (const token of tokens) if (timingSafeEqual(token.digest, digest)) owner ??= token.owner;
  return owner;
}
