/** Where the service may send requests that strangers ask it to make (server-side request forgery): only to origins that its operator named. */

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

/** Whether a url lies at one of the origins. A `*` stands for one or more names of a host, never for the domain itself. */
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
