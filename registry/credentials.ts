/** Credentials of registries, from the setting and from a file of Docker's. */
import { readFile, stat } from 'node:fs/promises';
import { readRegistryLogin, registryKey } from '../core/image/registry-login.ts';

export interface RegistryCredentials {
  user: string;
  password: string;
}

/** By the registry's host, as an image names it. Undefined where there are none. */
export type CredentialsOf = (registry: string) => Promise<RegistryCredentials | undefined>;

export interface CredentialSources {
  /** `host=user:password` each. They win over the file. */
  logins: readonly string[];
  /** A config.json as `docker login` writes it; none when empty. Read again when it changes. */
  file: string;
  /** Called when the file cannot be read; nothing of its content is in the error. */
  onUnreadable?(error: Error): void;
  /** Asked if neither has credentials for a registry. */
  elsewhere?: CredentialsOf;
}

export function createCredentials({
  logins,
  file,
  onUnreadable,
  elsewhere,
}: CredentialSources): CredentialsOf {
  const given = new Map(
    logins.flatMap((entry): [string, RegistryCredentials][] => {
      const login = readRegistryLogin(entry);
      return login
        ? [[registryKey(login.registry), { user: login.user, password: login.password }]]
        : [];
    }),
  );
  const inFile = file === '' ? undefined : watchedFile(file, onUnreadable);
  return async (registry) => {
    const key = registryKey(registry);
    return given.get(key) ?? (await inFile?.())?.get(key) ?? elsewhere?.(registry);
  };
}

type Known = ReadonlyMap<string, RegistryCredentials>;

/** A login such as ECR's is renewed every few hours by writing the file again. */
function watchedFile(path: string, onUnreadable: CredentialSources['onUnreadable']) {
  let version = '';
  let known: Known = new Map();
  return async (): Promise<Known> => {
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const now = `${mtimeMs} ${size} ${ino}`;
      if (now !== version) {
        known = readDockerConfig(await readFile(path, 'utf8'));
        version = now;
      }
    } catch (error) {
      onUnreadable?.(error instanceof Error ? error : new Error(String(error)));
    }
    return known;
  };
}

/** `auths` by host: `auth` is base64 of `user:password`. Throws an Error without any of the text. */
function readDockerConfig(text: string): Known {
  let config: { auths?: Record<string, { auth?: unknown } | null> } | null;
  try {
    config = JSON.parse(text) as typeof config;
  } catch {
    throw new Error('The file is not valid JSON.');
  }
  return new Map(
    Object.entries(config?.auths ?? {}).flatMap(([host, one]): [string, RegistryCredentials][] => {
      if (typeof one?.auth !== 'string') return [];
      const [, user, password] =
        /^([^:]+):(.+)$/s.exec(Buffer.from(one.auth, 'base64').toString('utf8')) ?? [];
      return user === undefined || password === undefined
        ? []
        : [[registryKey(host), { user, password }]];
    }),
  );
}
