/** The challenges of a 401 (RFC 9110, section 11.6.1): how a registry wants to be asked. */

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  scheme: string;
  /** Names in lower case. */
  parameters: Record<string, string>;
}

/** `Bearer realm="…",service="…"` or a scheme by itself. */
const PART =
  /\s*(?:([A-Za-z][\w-]*)\s+)?([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)|\s*([A-Za-z][\w-]*)\s*(?:,|$)/y;

/** All challenges of a WWW-Authenticate header; what cannot be read ends the list. */
export function readChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const pattern = new RegExp(PART);
  while (pattern.lastIndex < header.length) {
    const found = pattern.exec(header);
    if (!found) break;
    const [, scheme, name, quoted, plain, alone] = found;
    const opened = scheme ?? alone;
    if (opened !== undefined) challenges.push({ scheme: opened.toLowerCase(), parameters: {} });
    const last = challenges.at(-1);
    if (!last) break;
    if (name !== undefined)
      last.parameters[name.toLowerCase()] = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
  }
  return challenges;
}
