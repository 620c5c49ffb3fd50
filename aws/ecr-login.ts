/**
 * Passwords for Amazon ECR from the role of this process, so that private images need no setting.
 * One call to GetAuthorizationToken per Region and 12 hours (source: Amazon ECR API, 2015-09-21).
 */
import { BatchClient } from '@aws-sdk/client-batch';

interface EcrLogin {
  user: string;
  password: string;
}

export interface EcrLogins {
  /** The login for a registry, as images name it. Undefined if it is not ECR, or if the role has no permission. */
  loginOf(registry: string): Promise<EcrLogin | undefined>;
  close(): void;
}

export interface EcrOptions {
  /** Called with the reason when a Region gives no password. */
  onRefused(region: string, message: string): void;
  /** Replaces `https://api.ecr.REGION.amazonaws.com` in tests. */
  endpointOf?(region: string): string;
  /** The fleet's clock. */
  nowMs?(): number;
}

const TIMEOUT_MS = 5000;
/** A password that is about to expire is not used. */
const MARGIN_MS = 600_000;
/** Half an hour less than ECR's 12 hours. */
const LONGEST_MS = 11.5 * 3_600_000;
/** Before a Region that refused is asked again: its permissions may have been corrected. */
const REFUSED_REST_MS = 60_000;

const REGISTRY = /^\d{12}\.dkr\.ecr\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(amazonaws\.com(?:\.cn)?)$/;

interface Known {
  login: Promise<EcrLogin | undefined>;
  untilMs: number;
}

/** Any client of the SDK can sign a request to ECR. */
type Signer = Pick<BatchClient, 'config' | 'destroy'>;

export function createEcrLogins({
  onRefused,
  endpointOf,
  nowMs = () => Date.now(),
}: EcrOptions): EcrLogins {
  const known = new Map<string, Known>();
  let signer: Signer | undefined;
  return {
    async loginOf(registry) {
      const [, region, domain] = REGISTRY.exec(registry) ?? [];
      if (region === undefined) return undefined;
      const found = known.get(region);
      if (found && found.untilMs > nowMs()) return found.login;
      signer ??= new BatchClient({});
      const url = new URL(endpointOf?.(region) ?? `https://api.ecr.${region}.${domain}`);
      const answer = requestLogin(signer, { region, url }).catch((error: unknown) => {
        onRefused(region, error instanceof Error ? error.message : String(error));
        return undefined;
      });
      const fresh: Known = {
        login: answer.then((one) => one?.login),
        // While it is asked for.
        untilMs: nowMs() + TIMEOUT_MS,
      };
      known.set(region, fresh);
      const one = await answer;
      // Whatever the clocks of AWS and of the fleet say, it is not kept for longer than it can live.
      fresh.untilMs = one
        ? Math.min(one.expiresMs - MARGIN_MS, nowMs() + LONGEST_MS)
        : nowMs() + REFUSED_REST_MS;
      return one?.login;
    },
    close: () => signer?.destroy(),
  };
}

interface Expiring {
  login: EcrLogin;
  expiresMs: number;
}

async function requestLogin(
  { config }: Signer,
  { region, url }: { region: string; url: URL },
): Promise<Expiring> {
  const sign = await config.signer({
    name: 'sigv4',
    signingName: 'ecr',
    signingRegion: region,
    properties: {},
  });
  const body = '{}';
  const { headers } = await sign.sign({
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: '/',
    headers: {
      host: url.host,
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
    },
    body,
  });
  const { host: _, ...sent } = headers;
  const answer = await fetch(url, {
    method: 'POST',
    headers: sent,
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`HTTP ${answer.status}: ${text.slice(0, 300)}`);
  return readLogin(text);
}

/** The password is in it, so no error shows the text. */
function readLogin(text: string): Expiring {
  const data = parseAnswer(text)?.authorizationData?.[0];
  const [, user, password] =
    /^([^:]+):(.+)$/s.exec(
      Buffer.from(data?.authorizationToken ?? '', 'base64').toString('utf8'),
    ) ?? [];
  if (user === undefined || password === undefined)
    throw new Error('The answer of GetAuthorizationToken holds no password.');
  return { login: { user, password }, expiresMs: (data?.expiresAt ?? 0) * 1000 };
}

interface Authorization {
  authorizationData?: { authorizationToken?: string; expiresAt?: number }[];
}

function parseAnswer(text: string): Authorization | null {
  try {
    return JSON.parse(text) as Authorization | null;
  } catch {
    return null;
  }
}
