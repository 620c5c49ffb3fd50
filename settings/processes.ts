import { oneOf, text, whole, type Section } from './setting.ts';

export const processes = {
  heading: 'Processes of the API and the workers',
  settings: {
    host: text({
      variable: 'HOST',
      fallback: '127.0.0.1',
      effect: 'Address that the API listens on.',
    }),
    port: whole({
      variable: 'PORT',
      fallback: 8000,
      range: [0, 65_535],
      effect: 'Port that the API listens on. 0 for a free one.',
    }),
    tlsKey: text({
      variable: 'BATCHWELL_TLS_KEY',
      fallback: '',
      effect: 'PEM file with the private key of the API, for HTTPS. The API uses HTTP when empty.',
    }),
    tlsCert: text({
      variable: 'BATCHWELL_TLS_CERT',
      fallback: '',
      effect: 'PEM file with the certificate of the API and its intermediate certificates.',
    }),
    metricsHost: text({
      variable: 'BATCHWELL_METRICS_HOST',
      fallback: '127.0.0.1',
      effect:
        'Address that the metrics of a worker listen on. Set it to 0.0.0.0 where Prometheus is ' +
        'on another machine.',
    }),
    metricsPort: whole({
      variable: 'BATCHWELL_METRICS_PORT',
      fallback: 9464,
      range: [0, 65_535],
      effect: 'Port of /metrics, /healthz and /readyz of a worker. 0 for a free one.',
    }),
    logLevel: oneOf({
      variable: 'BATCHWELL_LOG_LEVEL',
      fallback: 'info',
      choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
      effect: 'Lowest level that is logged.',
    }),
    intake: oneOf({
      variable: 'BATCHWELL_INTAKE',
      fallback: 'no',
      choices: ['yes', 'no'],
      effect: 'Whether the API also accepts tasks from the BullMQ queue intake.',
    }),
    priceFile: text({
      variable: 'BATCHWELL_PRICE_FILE',
      fallback: '',
      effect:
        'JSON file with your prices of a vCPU and of a GiB of memory per hour, for the cost that ' +
        'the metrics show: docs/metrics.md has its form. List prices of us-east-1 when empty.',
    }),
    postsPerMinute: whole({
      variable: 'BATCHWELL_POSTS_PER_MINUTE',
      fallback: 0,
      unit: 'requests',
      range: [0, 10_000_000],
      effect:
        'How many tasks, scatters and dry runs each token can POST per minute. A scatter counts ' +
        'once. Requests above the limit get 429. 0 for no limit.',
    }),
    bodyBytes: whole({
      variable: 'BATCHWELL_BODY_BYTES',
      fallback: 268_435_456,
      unit: 'bytes',
      range: [1_048_576, 17_179_869_184],
      effect:
        'How many bytes of large request bodies an API process holds at once, from the first ' +
        'byte to the reply. Others get 503 with Retry-After. Bodies up to 1 MiB have a quarter ' +
        'as much for themselves. The process needs about five times as much memory.',
    }),
    bodyIdleMs: whole({
      variable: 'BATCHWELL_BODY_IDLE_MS',
      fallback: 30_000,
      unit: 'ms',
      range: [100, 300_000],
      effect: 'Longest time in which nothing of a request body arrives. Then it gets 408.',
    }),
  },
} satisfies Section;
