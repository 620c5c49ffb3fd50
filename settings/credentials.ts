/** Users and passwords of URLs, as settings of their own: a secret store injects them unencoded. */
import type { Setting } from './setting.ts';

export interface UrlSettings {
  url: Setting<string>;
  user: Setting<string>;
  password: Setting<string>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The URL with the user and the password of the other two variables. Those in the default URL are
 * only for the default URL. `wrong` says which variables disagree, without their values.
 */
export function fillUrl(
  settings: UrlSettings,
  environment: Environment,
  url: string,
): { url: string; wrong: string[] } {
  const filled = new URL(url);
  const isDefault = !environment[settings.url.variable];
  const wrong: string[] = [];
  for (const part of ['user', 'password'] as const) {
    const given = environment[settings[part].variable];
    if (!given) continue;
    const field = part === 'user' ? 'username' : part;
    const present = decodeURIComponent(filled[field]);
    if (!isDefault && present !== '' && present !== given)
      wrong.push(
        `${settings.url.variable} and ${settings[part].variable} have different ${part}s ` +
          '(not shown): remove one of them',
      );
    // The setter alone would leave a "%" as it is.
    else filled[field] = encodeURIComponent(given);
  }
  return { url: filled.href, wrong };
}

/** Adds to a setting's check that the user and the password in its URL can be decoded. */
export const withCredentials = (
  setting: Setting<string>,
  passwordVariable: string,
): Setting<string> => ({
  ...setting,
  parse(given) {
    const advice = `Percent-encode its user and password, or set ${passwordVariable}.`;
    const url = tryTo(() => setting.parse(given), advice);
    const { username, password } = new URL(url);
    tryTo(() => [username, password].map(decodeURIComponent), advice);
    return url;
  },
});

function tryTo<T>(work: () => T, advice: string): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof URIError ? 'expected a "%" only before two hex digits' : '';
    throw new Error(`${reason || (error as Error).message}. ${advice}`, { cause: error });
  }
}
