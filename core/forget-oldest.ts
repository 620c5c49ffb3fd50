/**
 * Removes the first key of a map or set that has more than `most`. A caller that deletes a key
 * before it sets it again keeps the keys that were used last.
 */
export function forgetOldest<K>(
  kept: { readonly size: number; keys(): Iterator<K>; delete(key: K): boolean },
  most: number,
): void {
  if (kept.size <= most) return;
  const oldest = kept.keys().next();
  if (!oldest.done) kept.delete(oldest.value);
}
