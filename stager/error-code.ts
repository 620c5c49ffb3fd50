/** Whether it is an error of the system with one of these codes, such as ENOENT. */
export const isCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));
