/** Opens what a process asks registries with, from its settings. */
import type { ImageProblem } from '../core/image/image-seen.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { openRegistryClient } from './client.ts';
import { createCredentials, type CredentialsOf } from './credentials.ts';
import { openImageDigests, type ImageDigests, type ImageMemo } from './image-digests.ts';

/** Settings of config.ts. */
interface RegistrySettings {
  imageIdentity: 'digest' | 'tag';
  imageDigestMs: number;
  registries: readonly string[];
  registryLogins: readonly string[];
  dockerConfig: string;
  plainHttpRegistries: readonly string[];
}

export interface ImageParts {
  settings: RegistrySettings;
  memo: ImageMemo;
  metrics: Pick<Metrics, 'registryRequests'>;
  log: Log;
  /** Logins from the role of this process, where no setting gives any. */
  logins: { loginOf: CredentialsOf; close(): void };
}

/** Undefined where the names of images count as they are, so that no registry is asked. */
export function openImages({
  settings,
  memo,
  metrics,
  log,
  logins,
}: ImageParts): ImageDigests | undefined {
  if (settings.imageIdentity === 'tag') return undefined;
  const credentialsOf = createCredentials({
    logins: settings.registryLogins,
    file: settings.dockerConfig,
    onUnreadable: ({ message }) =>
      log.warn({ file: settings.dockerConfig, message }, 'docker-config-unreadable'),
    elsewhere: logins.loginOf,
  });
  const images = openImageDigests({
    client: openRegistryClient({
      credentialsOf,
      metrics,
      plainHttp: settings.plainHttpRegistries,
    }),
    memo,
    cacheMs: settings.imageDigestMs,
    registries: settings.registries,
    onProblem: (image: string, { code, sentence }: ImageProblem) =>
      log.warn({ image, code, sentence }, 'image-not-resolved'),
    onTrouble: (error) => log.error({ err: error }, 'image-digest-not-kept'),
  });
  return {
    see: images.see,
    async close() {
      await images.close();
      logins.close();
    },
  };
}
