/**
 * Tokens of an OpenID provider: signed JWTs, verified by `jose` with the keys that the provider
 * publishes.
 */
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { ConfigError, type Config } from '../../config.ts';
import type { Access } from '../../core/access/access.ts';
import { ownerInstead } from '../../core/access/owner-name.ts';
import { messageOf } from '../error-message.ts';
import type { Caller, Refused } from './caller.ts';

/**
 * The keys of the provider are needed and cannot be fetched. The same token may be valid on a
 * retry.
 */
export class ProviderUnavailable extends Error {
  override readonly name = 'ProviderUnavailable';
}

type OidcConfig = Pick<
  Config,
  'oidcIssuer' | 'oidcAudience' | 'oidcOwnerClaim' | 'oidcScopes' | 'oidcUrls'
>;

/**
 * Asymmetric signatures only: with a shared secret, anyone who can verify a token can also create
 * one.
 */
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

/**
 * Undefined where no issuer is configured. Throws a ConfigError for settings that do not fit
 * together.
 */
export function openOidc(config: OidcConfig, nowMs: () => number = Date.now) {
  if (config.oidcIssuer === '') return undefined;
  if (config.oidcAudience === '')
    throw new ConfigError(
      'BATCHWELL_OIDC_ISSUER is set without BATCHWELL_OIDC_AUDIENCE, so tokens for any other ' +
        'service would be accepted. Set BATCHWELL_OIDC_AUDIENCE too.',
    );
  const issuer = new URL(config.oidcIssuer);
  if (issuer.protocol !== 'https:' && !LOOPBACK.has(issuer.hostname))
    throw new ConfigError(
      'BATCHWELL_OIDC_ISSUER does not begin with https://, so an attacker on the network ' +
        'could replace the keys. Use https://.',
    );
  const keys = createKeys(config.oidcIssuer);

  return {
    recognizes: (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token),
    async find(token: string): Promise<Caller | Refused> {
      const verified = await verify(token, keys, { ...config, nowMs });
      const access = 'refused' in verified ? verified : accessOf(verified.payload, config);
      return 'refused' in access ? access : { access, countedAs: `oidc:${access.owner}` };
    },
  };
}

/** Discovers where the keys are at the first token, and again after a failure. */
function createKeys(issuer: string): JWTVerifyGetKey {
  let found: Promise<JWTVerifyGetKey> | undefined;
  const discover = async (): Promise<JWTVerifyGetKey> => {
    const reply = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS),
      redirect: 'error',
    });
    if (!reply.ok) throw new Error(`openid-configuration returned HTTP ${reply.status}`);
    const { issuer: named, jwks_uri: uri } = (await reply.json()) as {
      issuer?: unknown;
      jwks_uri?: unknown;
    };
    if (named !== issuer)
      throw new Error(`openid-configuration names the issuer ${JSON.stringify(named)}`);
    if (typeof uri !== 'string' || !URL.canParse(uri))
      throw new Error('openid-configuration has no valid jwks_uri');
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
        `The OpenID provider ${issuer} is unavailable: ${messageOf(error)}`,
        { cause: error },
      );
    }
    return keys(header, token);
  };
}

async function verify(
  token: string,
  keys: JWTVerifyGetKey,
  config: OidcConfig & { nowMs(): number },
): Promise<{ payload: JWTPayload } | Refused> {
  try {
    return await jwtVerify(token, keys, {
      issuer: config.oidcIssuer,
      audience: config.oidcAudience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(config.nowMs()),
      requiredClaims: ['exp', config.oidcOwnerClaim],
    });
  } catch (error) {
    if (error instanceof ProviderUnavailable) throw error;
    if (error instanceof errors.JWKSNoMatchingKey)
      return {
        refused:
          'The token is signed with a key that its provider does not publish. Get a new token.',
      };
    if (error instanceof errors.JWTExpired)
      return { refused: 'The token has expired. Get a new one from the OpenID provider.' };
    if (error instanceof errors.JWTClaimValidationFailed)
      return {
        refused:
          `The claim ${JSON.stringify(error.claim)} of the token is not accepted ` +
          `(${error.reason}). Get a token for this service.`,
      };
    if (isOfToken(error))
      return {
        refused:
          'The token is not a JWT that can be verified. Get a new one from the OpenID provider.',
      };
    throw new ProviderUnavailable(
      `The keys of the OpenID provider ${config.oidcIssuer} cannot be fetched: ${messageOf(error)}`,
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
  const expected = typeof owner === 'string' ? ownerInstead(owner) : 'a string';
  if (typeof owner !== 'string' || expected !== undefined)
    return {
      refused:
        `The claim ${JSON.stringify(config.oidcOwnerClaim)} of the token cannot be an owner: ` +
        `expected ${expected}.`,
    };
  // A name that could lead out of its folder must not be filled into a URL.
  if (config.oidcUrls.some((url) => url.includes('{owner}')) && !/^[\w.@+=-]+$/.test(owner))
    return {
      refused:
        `The claim ${JSON.stringify(config.oidcOwnerClaim)} of the token has characters other ` +
        'than letters, digits and _.@+=-, so it cannot be an owner.',
    };
  const urls = config.oidcUrls.map((url) => url.replaceAll('{owner}', owner));
  return {
    owner,
    scopes: config.oidcScopes,
    cacheDomain: owner,
    limits: urls.length > 0 ? { urls } : {},
  };
}
