/** The demo did not do what it promises; the message says what went wrong. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}
