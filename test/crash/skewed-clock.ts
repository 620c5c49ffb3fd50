/**
 * Makes the wall clock of this process wrong by `CLOCK_SKEW_MS`, for all code in it: BullMQ, the
 * AWS SDK and the log too. Import it before anything else.
 */
const skewMs = Number(process.env['CLOCK_SKEW_MS'] ?? 0);
const RightDate = Date;
const now = (): number => RightDate.now() + skewMs;

globalThis.Date = new Proxy(RightDate, {
  construct: (target, given, made) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, made) as object,
  get: (target, name, receiver) =>
    name === 'now' ? now : (Reflect.get(target, name, receiver) as unknown),
});
