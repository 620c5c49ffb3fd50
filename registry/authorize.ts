/**
 * Tokens and passwords, as a registry's 401 asks for them (source:
 * distribution.github.io/distribution/spec/auth/token).
 */
import { forgetOldest } from '../core/forget-oldest.ts';
import type { ImageName } from '../core/image/image-name.ts';
import type { ImageProblem } from '../core/image/image-seen.ts';
import { readChallenges, type Challenge } from './challenge.ts';
import type { CredentialsOf, RegistryCredentials } from './credentials.ts';
import type { Transport } from './transport.ts';

export interface Authorizer {
  /** The header of an earlier answer that still holds. */
  known(name: ImageName): string | undefined;
  /** The header that a 401 asks for. @param challenge its WWW-Authenticate */
  answer(asked: {
    name: ImageName;
    challenge: string;
    signal: AbortSignal;
  }): Promise<{ header: string } | { problem: ImageProblem }>;
}

export interface AuthorizerOptions {
  transport: Transport;
  credentialsOf: CredentialsOf;
  nowMs?(): number;
}

const REMEMBERED = 1000;
/** What the specification gives a token that does not say. */
const DEFAULT_LIFE_MS = 60_000;
/** A token is not used in the last moments of its life. */
const MARGIN_MS = 10_000;

interface KnownHeader {
  header: string;
  untilMs: number;
}

interface Asked {
  name: ImageName;
  parameters: Challenge['parameters'];
  credentials: RegistryCredentials | undefined;
  signal: AbortSignal;
}

export function createAuthorizer({
  transport,
  credentialsOf,
  nowMs = () => performance.now(),
}: AuthorizerOptions): Authorizer {
  const headers = new Map<string, KnownHeader>();
  return {
    known(name) {
      const found = headers.get(keyOf(name));
      return found && found.untilMs > nowMs() ? found.header : undefined;
    },
    async answer({ name, challenge, signal }) {
      const challenges = readChallenges(challenge);
      const credentials = await credentialsOf(name.registry);
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
      if (bearer) {
        const { parameters } = bearer;
        const token = await fetchToken(transport, { name, parameters, credentials, signal });
        if ('problem' in token) return token;
        headers.delete(keyOf(name));
        headers.set(keyOf(name), { header: token.header, untilMs: nowMs() + token.lifeMs });
        forgetOldest(headers, REMEMBERED);
        return token;
      }
      const takesBasic = challenges.some(({ scheme }) => scheme === 'basic');
      return takesBasic && credentials ? { header: basic(credentials) } : denied(name, credentials);
    },
  };
}

const keyOf = ({ registry, repository }: ImageName): string => `${registry}/${repository}`;

const basic = ({ user, password }: RegistryCredentials): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** A registry answers the same for what is not there and for what the caller may not see. */
export function denied(
  { registry, repository }: ImageName,
  credentials: RegistryCredentials | undefined,
): { problem: ImageProblem } {
  const advice = registry.includes('.dkr.ecr.')
    ? 'Allow the role of the API and the workers the action ecr:GetAuthorizationToken.'
    : 'Set BATCHWELL_REGISTRY_LOGINS for a private image.';
  const sentence = credentials
    ? `The registry ${registry} refuses access to ${repository} with the credentials of user ${credentials.user}, or the image does not exist.`
    : `The registry ${registry} refuses access to ${repository} without credentials, or the image does not exist. ${advice}`;
  return { problem: { code: 'denied', sentence } };
}

type Token = { header: string; lifeMs: number } | { problem: ImageProblem };

async function fetchToken(
  transport: Transport,
  { name, parameters, credentials, signal }: Asked,
): Promise<Token> {
  const { registry, repository } = name;
  const { realm = '', service } = parameters;
  if (!URL.canParse(realm)) return notUnderstood(registry, 'names no token service');
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  // Our own scope: what a registry names might be more than is needed.
  url.searchParams.set('scope', `repository:${repository}:pull`);
  const sent = await transport.send({
    registry,
    method: 'GET',
    url,
    headers: credentials ? { authorization: basic(credentials) } : {},
    operation: 'token',
    signal,
  });
  if ('problem' in sent) return sent;
  if (sent.status === 401 || sent.status === 403) return denied(name, credentials);
  if (sent.status !== 200) return notUnderstood(registry, `gives no token (HTTP ${sent.status})`);
  return readToken(registry, sent.body);
}

function readToken(registry: string, body: Buffer): Token {
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null;
  try {
    answer = JSON.parse(body.toString('utf8')) as typeof answer;
  } catch {
    answer = null;
  }
  const token = answer?.token ?? answer?.access_token;
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    return notUnderstood(registry, 'gives no token');
  const seconds = answer?.expires_in;
  const lifeMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : DEFAULT_LIFE_MS;
  return { header: `Bearer ${token}`, lifeMs: Math.max(0, lifeMs - MARGIN_MS) };
}

const notUnderstood = (registry: string, what: string): { problem: ImageProblem } => ({
  problem: { code: 'not-understood', sentence: `The registry ${registry} ${what}.` },
});
