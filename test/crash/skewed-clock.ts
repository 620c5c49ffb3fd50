/**
 * Makes the wall clock of this process wrong, for all code in it: BullMQ, the AWS SDK and the log
 * too. Call it before anything else.
 */
export function skewClock(byMs: number): void {
  const RightDate = Date;
  const now = (): number => RightDate.now() + byMs;
  globalThis.Date = new Proxy(RightDate, {
    construct: (target, given, made) =>
      Reflect.construct(target, given.length === 0 ? [now()] : given, made) as object,
    get: (target, name, receiver) =>
      name === 'now' ? now : (Reflect.get(target, name, receiver) as unknown),
  });
}
