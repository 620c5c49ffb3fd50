/** Tokens of an OpenID provider: signed JWTs, checked by `jose` with the keys that the provider publishes. */
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { ConfigError, type Config } from '../../config.ts';
import type { Access } from '../../core/access/access.ts';
import { LONGEST_OWNER, type Caller, type Refused } from './caller.ts';

/** The provider has to be asked for its keys and does not answer; the same token may be good in a moment. */
export class ProviderUnavailable extends Error {
  override readonly name = 'ProviderUnavailable';
}

type OidcConfig = Pick<
  Config,
  'oidcIssuer' | 'oidcAudience' | 'oidcOwnerClaim' | 'oidcScopes' | 'oidcUrls'
>;

/** Signatures only: with a shared secret, whoever can check a token could make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];
const CLOCK_TOLERANCE_SECONDS = 30;
const DISCOVERY_TIMEOUT_MS = 5000;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Undefined where no issuer is configured. Throws a ConfigError for settings that do not belong together. */
export function openOidc(config: OidcConfig) {
  if (config.oidcIssuer === '') return undefined;
  if (config.oidcAudience === '')
    throw new ConfigError(
      'BATCHWELL_OIDC_AUDIENCE is needed with BATCHWELL_OIDC_ISSUER: without it tokens made for any other service would be good here.',
    );
  const issuer = new URL(config.oidcIssuer);
  if (issuer.protocol !== 'https:' && !LOOPBACK.has(issuer.hostname))
    throw new ConfigError(
      'BATCHWELL_OIDC_ISSUER: expected https://, since whoever stands between could give other keys.',
    );
  const keys = createKeys(config.oidcIssuer);

  return {
    isOne: (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token),
    async find(token: string): Promise<Caller | Refused> {
      const verified = await verify(token, keys, config);
      const access = 'refused' in verified ? verified : accessOf(verified.payload, config);
      return 'refused' in access ? access : { access, countedAs: `oidc:${access.owner}` };
    },
  };
}

/** The provider is asked where its keys are at the first token, and again after a failure. */
function createKeys(issuer: string): JWTVerifyGetKey {
  let found: Promise<JWTVerifyGetKey> | undefined;
  const discover = async (): Promise<JWTVerifyGetKey> => {
    const reply = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS),
      redirect: 'error',
    });
    if (!reply.ok) throw new Error(`its openid-configuration answered ${reply.status}`);
    const { issuer: named, jwks_uri: uri } = (await reply.json()) as {
      issuer?: unknown;
      jwks_uri?: unknown;
    };
    if (named !== issuer) throw new Error(`it calls itself ${JSON.stringify(named)}`);
    if (typeof uri !== 'string' || !URL.canParse(uri)) throw new Error('it names no jwks_uri');
    return createRemoteJWKSet(new URL(uri));
  };
  return async (header, token) => {
    found ??= discover();
    let keys: JWTVerifyGetKey;
    try {
      keys = await found;
    } catch (error) {
      found = undefined;
      throw new ProviderUnavailable(
        `The OpenID provider ${issuer} cannot be asked: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    return keys(header, token);
  };
}

async function verify(
  token: string,
  keys: JWTVerifyGetKey,
  config: OidcConfig,
): Promise<{ payload: JWTPayload } | Refused> {
  try {
    return await jwtVerify(token, keys, {
      issuer: config.oidcIssuer,
      audience: config.oidcAudience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp', config.oidcOwnerClaim],
    });
  } catch (error) {
    if (error instanceof ProviderUnavailable) throw error;
    if (error instanceof errors.JWKSNoMatchingKey)
      return { refused: 'The token is signed with a key that its provider does not publish.' };
    if (error instanceof errors.JWTExpired) return { refused: 'The token expired.' };
    if (error instanceof errors.JWTClaimValidationFailed)
      return {
        refused: `The token’s claim ${JSON.stringify(error.claim)} is not what is expected here (${error.reason}).`,
      };
    if (isOfToken(error)) return { refused: 'The token is no JWT that can be checked here.' };
    throw new ProviderUnavailable(
      `The keys of ${config.oidcIssuer} cannot be fetched: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

const isOfToken = (error: unknown): boolean =>
  error instanceof errors.JWSInvalid ||
  error instanceof errors.JWTInvalid ||
  error instanceof errors.JWSSignatureVerificationFailed ||
  error instanceof errors.JOSEAlgNotAllowed ||
  error instanceof errors.JOSENotSupported;

function accessOf(payload: JWTPayload, config: OidcConfig): Access | Refused {
  const owner = payload[config.oidcOwnerClaim];
  if (typeof owner !== 'string' || owner === '' || owner.length > LONGEST_OWNER)
    return {
      refused: `The token’s claim ${JSON.stringify(config.oidcOwnerClaim)} is no text of 1 to ${LONGEST_OWNER} characters.`,
    };
  // A name that could climb out of its folder fills in no pattern.
  if (config.oidcUrls.some((url) => url.includes('{owner}')) && !/^[\w.@+=-]+$/.test(owner))
    return {
      refused: `The token’s claim ${JSON.stringify(config.oidcOwnerClaim)} holds other characters than letters, digits and _.@+=-.`,
    };
  const urls = config.oidcUrls.map((url) => url.replaceAll('{owner}', owner));
  return {
    owner,
    scopes: config.oidcScopes,
    cacheDomain: owner,
    limits: urls.length > 0 ? { urls } : {},
  };
}
