// cspell:ignore awsaccesskeyid
/**
 * Secrets in URLs: user and password before the host, and the query of presigned URLs. Texts that
 * people or logs see have neither.
 */

/** The longest user and password that is looked for; limits the time for a hostile text. */
const LONGEST_USER = 4_096;

/**
 * `scheme://user:password@`. A password may hold what ends a host in a valid URL, such as '/': a
 * colon that no port follows tells.
 */
const USER = new RegExp(
  String.raw`(\b[a-z][a-z0-9+.-]{0,15}:\/\/+)` +
    String.raw`(?:[^\s/?#]{0,${LONGEST_USER}}@|[^\s/?#:@]{0,255}:(?!\d+(?:[/?#]|$))[^\s]{0,${LONGEST_USER}}@)`,
  'gi',
);

const WEB_QUERY = /(\bhttps?:\/\/[^\s?#'"]*)[?#][^\s'"]*/gi;

/** Of any URL: an S3 key may hold a '?', so only parameters that are known as secrets are hidden. */
const SECRET_PARAMETER =
  /([?&;#](?:x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|signature|sig|(?:[a-z]+_)?token|api_?key|password|secret)=)[^\s&;'"]*/gi;

/** The text with the secrets of its URLs replaced by an ellipsis. */
export const hideUrlSecrets = (text: string): string =>
  text.replace(USER, '$1…@').replace(WEB_QUERY, '$1?…').replace(SECRET_PARAMETER, '$1…');

/** The text without user and password; a query stays, because without it the URL is another. */
export const hideUser = (text: string): string =>
  text.includes('@') ? text.replace(USER, '$1…@') : text;

/**
 * Whether a URL names a user or a password. The key of an S3 URL may hold '@', its bucket may not. A
 * web URL may also hide them from a pattern: parsers skip slashes, line ends, and tabs.
 */
export function namesUser(url: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*@/i.test(url)) return true;
  if (!/^\s*https?:/i.test(url) || !URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
}
