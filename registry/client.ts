/**
 * This folder asks image registries which image a tag names. This file speaks the distribution API
 * (source: OCI distribution spec 1.1, "Pulling manifests").
 */
import { createHash } from 'node:crypto';
import type { Architecture } from '../core/image/architecture.ts';
import type { ImageName } from '../core/image/image-name.ts';
import type { ImageProblem } from '../core/image/image-seen.ts';
import {
  ACCEPTED_MANIFESTS,
  chooseManifest,
  kindOfType,
  sha256In,
  type ManifestKind,
} from '../core/image/image-manifest.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createAuthorizer, denied, type Authorizer } from './authorize.ts';
import type { CredentialsOf } from './credentials.ts';
import { createTransport, type RegistryAnswer, type Sent, type Transport } from './transport.ts';
import { createTurns } from './turns.ts';

export interface ResolvedTag {
  /** SHA-256 in hex of what the tag names: a manifest, or an index of manifests. */
  tagged: string;
  /** SHA-256 in hex of the manifest for the architecture. */
  manifest: string;
}

export type TagAnswer = ResolvedTag | { problem: ImageProblem };

export interface RegistryClient {
  /**
   * What a tag names now. `before` is an earlier answer: while the tag names the same, one HEAD is
   * enough, which Docker Hub does not count as a pull.
   */
  resolve(asked: {
    name: ImageName;
    architecture: Architecture;
    before?: ResolvedTag;
  }): Promise<TagAnswer>;
  /** Ends what is under way. */
  close(): void;
}

export interface RegistryClientOptions {
  credentialsOf: CredentialsOf;
  metrics: Pick<Metrics, 'registryRequests'>;
  /** Hosts that are asked over plain http, besides loopback. */
  plainHttp: readonly string[];
  timeoutMs?: number;
  pausesMs?: readonly number[];
}

/** For all requests of one tag. */
export const RESOLVE_WITHIN_MS = 15_000;

/** Docker Hub's API is not at the name that its images have. */
const apiHost = (registry: string): string =>
  registry === 'docker.io' ? 'registry-1.docker.io' : registry;

export function openRegistryClient(options: RegistryClientOptions): RegistryClient {
  const transport = createTransport({ ...options, turns: createTurns() });
  const authorizer = createAuthorizer({ ...options, transport });
  const closing = new AbortController();
  return {
    resolve(asked) {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(RESOLVE_WITHIN_MS)]);
      return resolveTag({ ...options, transport, authorizer, signal }, asked);
    },
    close: () => closing.abort(),
  };
}

interface Open {
  transport: Transport;
  authorizer: Authorizer;
  credentialsOf: CredentialsOf;
  signal: AbortSignal;
}

type Asked = Parameters<RegistryClient['resolve']>[0];

async function resolveTag(open: Open, asked: Asked): Promise<TagAnswer> {
  const { name, before } = asked;
  const head = await request(open, { name, method: 'HEAD', reference: name.tag ?? 'latest' });
  if ('problem' in head) return head;
  if (ONLY_GETS.has(head.status)) return readManifest(open, asked, undefined);
  const problem = problemOf(name, head);
  if (problem) return { problem };
  const tagged = claimedDigest(head);
  if (tagged !== undefined && tagged === before?.tagged) return before;
  if (tagged !== undefined && kindOfType(typeOf(head)) === 'image')
    return { tagged, manifest: tagged };
  return readManifest(open, asked, tagged);
}

/** Some registries do not answer HEAD. */
const ONLY_GETS = new Set([405, 501]);

const claimedDigest = ({ headers }: RegistryAnswer): string | undefined =>
  sha256In(headers.get('docker-content-digest') ?? '');

const typeOf = ({ headers }: RegistryAnswer): string => headers.get('content-type') ?? '';

/** Reads the manifest, by its digest where that is known, so that it is of the same moment. */
async function readManifest(
  open: Open,
  asked: Asked,
  tagged: string | undefined,
): Promise<TagAnswer> {
  const { name } = asked;
  const reference = tagged === undefined ? (name.tag ?? 'latest') : `sha256:${tagged}`;
  const answer = await request(open, { name, method: 'GET', reference });
  if ('problem' in answer) return answer;
  const problem = problemOf(name, answer);
  if (problem) return { problem };
  const digest = createHash('sha256').update(answer.body).digest('hex');
  const expected = tagged ?? claimedDigest(answer) ?? digest;
  return expected === digest
    ? manifestFor(asked, digest, answer)
    : wrong(name, 'is not what its digest says: the registry or a proxy changed it');
}

function manifestFor(
  { name, architecture }: Asked,
  tagged: string,
  answer: RegistryAnswer,
): TagAnswer {
  const manifest = parseJson(answer.body);
  const kind = kindOf(answer, manifest);
  if (kind === 'image') return { tagged, manifest: tagged };
  const chosen = kind === 'index' ? chooseManifest(manifest, architecture) : undefined;
  if (chosen === undefined) return wrong(name, 'is not in a form that Batchwell reads');
  if ('platforms' in chosen) return noPlatform(name, architecture, chosen.platforms);
  const sha256 = sha256In(chosen.digest);
  return sha256 === undefined
    ? wrong(name, 'names its platforms by digests other than SHA-256')
    : { tagged, manifest: sha256 };
}

function kindOf(answer: RegistryAnswer, manifest: unknown): ManifestKind | undefined {
  const said = typeof manifest === 'object' && manifest !== null && 'mediaType' in manifest;
  return kindOfType(typeOf(answer)) ?? (said ? kindOfType(String(manifest.mediaType)) : undefined);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

interface ManifestRequest {
  name: ImageName;
  method: 'HEAD' | 'GET';
  reference: string;
}

/** With the authorization that the registry asks for. A token that no longer holds is renewed once. */
async function request(
  { transport, authorizer, credentialsOf, signal }: Open,
  { name, method, reference }: ManifestRequest,
): Promise<Sent> {
  const { registry, repository } = name;
  const send = (authorization: string | undefined): Promise<Sent> =>
    transport.send({
      registry,
      method,
      url: new URL(
        `${transport.schemeOf(registry)}://${apiHost(registry)}/v2/${repository}/manifests/${reference}`,
      ),
      headers: { accept: ACCEPTED_MANIFESTS, ...(authorization && { authorization }) },
      operation: 'manifest',
      signal,
    });
  const first = await send(authorizer.known(name));
  if ('problem' in first || first.status !== 401) return first;
  const challenge = first.headers.get('www-authenticate') ?? '';
  const answer = await authorizer.answer({ name, challenge, signal });
  if ('problem' in answer) return answer;
  const second = await send(answer.header);
  return 'problem' in second || second.status !== 401
    ? second
    : denied(name, await credentialsOf(registry));
}

function problemOf(name: ImageName, { status }: RegistryAnswer): ImageProblem | undefined {
  const { registry, repository, tag } = name;
  if (status === 200) return undefined;
  if (status === 404)
    return {
      code: 'not-found',
      sentence: `The registry ${registry} has no tag ${tag} of ${repository}.`,
    };
  if (status === 403)
    return {
      code: 'denied',
      sentence: `The registry ${registry} refuses access to ${repository} (HTTP 403).`,
    };
  return {
    code: 'not-understood',
    sentence: `The registry ${registry} answered HTTP ${status} for tag ${tag} of ${repository}.`,
  };
}

const wrong = ({ registry }: ImageName, what: string): { problem: ImageProblem } => ({
  problem: {
    code: 'not-understood',
    sentence: `The manifest from the registry ${registry} ${what}.`,
  },
});

function noPlatform(
  { registry }: ImageName,
  architecture: Architecture,
  platforms: readonly string[],
): { problem: ImageProblem } {
  const has = platforms.length === 0 ? 'no platform' : platforms.join(', ');
  return {
    problem: {
      code: 'no-platform',
      sentence:
        `The registry ${registry} has it for ${has}, but not for Linux on ${architecture}. Check ` +
        'BATCHWELL_QUEUE_ARCHITECTURES for the job queue of the task.',
    },
  };
}
