/** Largest number of attempts of an owner in Batch at once. */

/**
 * Undefined when no owner has a limit.
 * @param own items `owner=number`, for owners with a limit of their own
 */
export function ownerLimits(
  limit: number,
  own: readonly string[],
): ((owner: string) => number) | undefined {
  if (limit === 0 && own.length === 0) return undefined;
  const limits = new Map(
    own.map((item): [string, number] => [
      item.slice(0, item.lastIndexOf('=')),
      Number(item.slice(item.lastIndexOf('=') + 1)),
    ]),
  );
  return (owner) => limits.get(owner) ?? (limit === 0 ? Number.POSITIVE_INFINITY : limit);
}
