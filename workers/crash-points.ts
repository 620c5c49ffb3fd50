/**
 * The moments between two effects, by name: where a crash would leave things half done. Nothing happens at them in
 * production; the crash tests kill a worker at each.
 */
export const steps = [
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

export type Step = (typeof steps)[number];
