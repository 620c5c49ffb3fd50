/**
 * HEALTHCHECK of the image: `healthcheck.js PORT…` succeeds if a service of this container answers on one
 * of these ports. One image runs the API or a worker, and each has its own port.
 */
const WITHIN_MS = 3000;

const answers = await Promise.all(
  process.argv.slice(2).map((port) =>
    fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(WITHIN_MS) }).then(
      ({ ok }) => ok,
      () => false,
    ),
  ),
);
process.exitCode = answers.includes(true) ? 0 : 1;
