/** Removes the first key of a map or set that has grown beyond its bound. Whoever deletes a key before setting it again keeps what was used last. */
export function forgetOldest<K>(
  kept: { readonly size: number; keys(): Iterator<K>; delete(key: K): boolean },
  most: number,
): void {
  if (kept.size <= most) return;
  const oldest = kept.keys().next();
  if (!oldest.done) kept.delete(oldest.value);
}
