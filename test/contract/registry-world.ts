/** A client of image registries for tests, and how its answers are read. */
import { parseImageName } from '../../core/image/image-name.ts';
import { openRegistryClient, type RegistryClient, type TagAnswer } from '../../registry/client.ts';
import { createCredentials, type CredentialSources } from '../../registry/credentials.ts';
import { createMetrics } from '../../telemetry/metrics.ts';

export const metrics = createMetrics();

/** With short pauses between tries. @param timeoutMs as in production when absent */
export const openClient = (
  credentials: Partial<CredentialSources> = {},
  timeoutMs?: number,
): RegistryClient =>
  openRegistryClient({
    credentialsOf: createCredentials({ logins: [], file: '', ...credentials }),
    metrics,
    plainHttp: [],
    ...(timeoutMs !== undefined && { timeoutMs }),
    pausesMs: [5, 5],
  });

type Question = Partial<Parameters<RegistryClient['resolve']>[0]>;

/** What a client says of an image, for x86-64 where the question names no other architecture. */
export const ask = (
  client: RegistryClient,
  image: string,
  more: Question = {},
): Promise<TagAnswer> =>
  client.resolve({ name: parseImageName(image)!, architecture: 'x86-64', ...more });

export const codeOf = (answer: TagAnswer): string =>
  'problem' in answer ? answer.problem.code : 'none';
export const sentenceOf = (answer: TagAnswer): string =>
  'problem' in answer ? answer.problem.sentence : '';
