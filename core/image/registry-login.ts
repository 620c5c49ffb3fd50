/** Credentials of a registry, as a setting gives them. */

export interface RegistryLogin {
  /** The host, as images name it. */
  registry: string;
  user: string;
  password: string;
}

/** From `host=user:password`; undefined for what is not. The text is a secret. */
export function readRegistryLogin(entry: string): RegistryLogin | undefined {
  const [, registry, user, password] = /^([^=\s]+)=([^:]+):(.+)$/s.exec(entry) ?? [];
  return registry === undefined || user === undefined || password === undefined
    ? undefined
    : { registry, user, password };
}

/** Docker Hub goes by several names; Docker itself writes `https://index.docker.io/v1/`. */
export function registryKey(registry: string): string {
  const host = registry
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/s, '')
    .toLowerCase();
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}
