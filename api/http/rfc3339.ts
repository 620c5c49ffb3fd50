/** A time as replies show it. */
export const rfc3339 = (ms: number): string => new Date(ms).toISOString();
