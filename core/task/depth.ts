/** How deep JSON is nested. What reads it goes down by calls, and the stack has an end. */

/** A task has some 6 levels. */
export const DEEPEST_JSON = 64;

/** Goes through the value without calls of its own. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEEPEST_JSON) return true;
    const below: unknown[] = [];
    for (const one of level) {
      if (typeof one !== 'object' || one === null) continue;
      for (const member of Object.values(one))
        if (typeof member === 'object' && member !== null) below.push(member);
    }
    level = below;
  }
  return false;
}
