/** Who is behind a token: one of the configuration, one that was made here, or one of an OpenID provider. */
import { timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../../config.ts';
import { fullAccess } from '../../core/access/access.ts';
import { sha256 } from '../../core/ids.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { LONGEST_OWNER, type Caller, type Refused } from './caller.ts';
import { openOidc } from './oidc.ts';
import { createStoredTokens } from './stored-tokens.ts';

export interface Callers {
  /** False where nothing is set up: then everybody is the one owner ''. */
  tokensRequired: boolean;
  /** Rejects when the database or the provider has to be asked and is away. */
  find(token: string): Promise<Caller | Refused>;
}

/** Everybody, where nobody is asked. */
export const anonymous: Caller = { access: fullAccess(''), countedAs: '' };

export function createCallers(
  dependencies: Pick<ApiDependencies, 'config' | 'database' | 'nowMs'>,
): Callers {
  const configured = readTokens(dependencies.config.tokens);
  const stored = createStoredTokens(dependencies);
  const oidc = openOidc(dependencies.config);
  return {
    tokensRequired: configured.length > 0 || oidc !== undefined,
    async find(token) {
      const owner = ownerOf(configured, token);
      if (owner !== undefined)
        return { access: fullAccess(owner), countedAs: `configured:${owner}` };
      if (stored.isOne(token)) return stored.find(token);
      if (oidc?.isOne(token)) return oidc.find(token);
      return { refused: 'The token is not known here.' };
    },
  };
}

/** Digests only: a token itself is never kept, and digests of equal length compare in constant time. */
interface ConfiguredToken {
  owner: string;
  digest: Buffer;
}

/** Throws a ConfigError for an item that is not owner:token; the token is not shown. */
export function readTokens(items: readonly string[]): readonly ConfiguredToken[] {
  return items.map((item, index) => {
    const colon = item.indexOf(':');
    const [owner, token] = [item.slice(0, colon), item.slice(colon + 1)];
    if (colon < 1 || owner.length > LONGEST_OWNER || token === '') {
      throw new ConfigError(
        `BATCHWELL_TOKENS: item ${index + 1} is not owner:token with an owner of 1 to ${LONGEST_OWNER} characters.`,
      );
    }
    return { owner, digest: sha256(token) };
  });
}

/** All tokens are compared, whichever fits, so that the time taken tells nothing. */
function ownerOf(tokens: readonly ConfiguredToken[], given: string): string | undefined {
  const digest = sha256(given);
  let owner: string | undefined;
  for (const token of tokens) if (timingSafeEqual(token.digest, digest)) owner ??= token.owner;
  return owner;
}
