/**
 * The named moments between two effects, where a crash would leave work half done. In production
 * nothing happens at them; the crash tests kill a worker at each.
 */
export const crashPoints = [
  'submit.packed',
  'submit.registered',
  'submit.manifest-written',
  'submit.call-started',
  'submit.call-answered',
  'submit.submitted',
  'poll.jobs-seen',
  'poll.results-read',
  'poll.written',
  'finalize.hits-applied',
  'finalize.cache-written',
  'finalize.ended',
  'webhooks.noted',
  'webhooks.posted',
] as const;

export type CrashPoint = (typeof crashPoints)[number];
