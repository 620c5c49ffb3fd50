/**
 * Guards against server-side request forgery: requests on behalf of users go only to origins that
 * the operator lists.
 */

/** `https://host`, `https://host:port`, `https://*.domain`, or the same with http. */
export function isOriginRule(rule: string): boolean {
  const example = rule.replace('://*.', '://any.');
  return (
    !example.includes('*') &&
    URL.canParse(example) &&
    /^https?:$/.test(new URL(example).protocol) &&
    new URL(example).origin === example.toLowerCase()
  );
}

/**
 * Whether a URL is at one of the origins. A `*` matches one or more labels of a host name, never
 * the bare domain.
 */
export function isAllowedUrl(url: string, rules: readonly string[]): boolean {
  if (!URL.canParse(url)) return false;
  const { origin, username, password } = new URL(url);
  return (
    username === '' && password === '' && rules.some((rule) => fits(origin, rule.toLowerCase()))
  );
}

function fits(origin: string, rule: string): boolean {
  const [scheme = '', domain] = rule.split('://*.');
  if (domain === undefined) return origin === rule;
  return origin.startsWith(`${scheme}://`) && origin.endsWith(`.${domain}`);
}
