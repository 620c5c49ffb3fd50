/**
 * What each folder may import, and why. oxlint reads it through lint-config.ts; test/unit/arrows.test.ts
 * resolves every import against it, also those that oxlint does not look at: `import()` and `import('…').Type`.
 */

export interface Room {
  folder: string;
  /** Other rooms, and files at the root. A room may always import its own files. */
  rooms: readonly string[];
  /** Packages and Node modules, with all that is below them; `*` is any name. */
  packages: readonly string[];
  reason: string;
  /** Single files that may import more than their room. */
  exceptions?: readonly RoomException[];
}

interface RoomException {
  file: string;
  packages: readonly string[];
  reason: string;
}

const EDGES = ['db', 'queues', 'aws', 'registry', 'telemetry'];
const NODE = 'node:*';
const SDK = ['@aws-sdk/*', '@smithy/*'];

export const rooms: readonly Room[] = [
  {
    folder: 'core',
    rooms: [],
    packages: ['node:crypto', 'node:path'],
    reason: 'core decides and does no I/O, so that every decision can be tested as a value.',
  },
  {
    folder: 'settings',
    rooms: ['core'],
    packages: [],
    reason: 'A setting is data with a check. Only config.ts reads them; all else takes its Config.',
  },
  {
    folder: 'db',
    rooms: ['core'],
    packages: [NODE, 'drizzle-orm', 'mysql2'],
    reason: 'db holds tables and queries. core decides what happens to a row; workers do it.',
  },
  {
    folder: 'queues',
    rooms: ['core'],
    packages: [NODE, 'bullmq', 'ioredis'],
    reason: 'A message carries ids. It knows neither rows nor AWS.',
  },
  {
    folder: 'aws',
    rooms: ['core', 'telemetry'],
    packages: [NODE, ...SDK, 'ioredis'],
    reason: 'aws is a thin layer over the SDK that serves workers, the API and tests alike.',
  },
  {
    folder: 'registry',
    rooms: ['core', 'telemetry'],
    packages: [NODE],
    reason:
      'registry asks image registries over HTTP. Its answers are kept by db, which it does not know.',
  },
  {
    folder: 'telemetry',
    rooms: ['core', 'package.json'],
    packages: [NODE, 'pino', 'prom-client'],
    reason: 'Every part of the fleet counts through telemetry, so it depends on none of them.',
  },
  {
    folder: 'workers',
    rooms: ['core', ...EDGES, 'config.ts', 'price-file.ts', 'package.json'],
    packages: [NODE],
    reason: 'Workers and the API scale separately. The SDK stops at aws/, the ORM at db/.',
    exceptions: [
      {
        file: 'workers/run-stage.ts',
        packages: ['bullmq'],
        reason: 'run-stage.ts is the one runner: no other file of workers/ knows BullMQ.',
      },
    ],
  },
  {
    folder: 'api',
    rooms: ['core', ...EDGES, 'config.ts', 'price-file.ts', 'package.json'],
    packages: [NODE, 'fastify', '@fastify/*', '@bull-board/*', 'typebox', 'jose', 'prom-client'],
    reason: 'Workers and the API scale separately. BullMQ stops at queues/, the SDK at aws/.',
  },
  {
    folder: 'cli',
    rooms: [
      'core',
      ...EDGES,
      'config.ts',
      'price-file.ts',
      'package.json',
      'workers',
      'api',
      'stager',
      'cromwell',
      'packages/client',
      'packages/local-aws',
    ],
    packages: [NODE, 'cliui', 'commander', 'log-update', 'string-width'],
    reason:
      'The CLI talks to the API or starts a process. It needs no SDK, ORM or queue of its own.',
  },
  {
    folder: 'stager',
    rooms: ['core'],
    packages: [NODE, ...SDK],
    reason: 'The stager is bundled into the container of every task: core and the S3 client only.',
    exceptions: [
      {
        file: 'stager/bundle.ts',
        packages: ['esbuild'],
        reason: 'bundle.ts makes the bundle and is not part of it.',
      },
    ],
  },
  {
    folder: 'cromwell',
    rooms: ['core', 'aws', 'telemetry', 'stager', 'packages/client'],
    packages: [NODE, 'fastify'],
    reason: 'What runs on the Cromwell host reaches the fleet over HTTP and S3 only.',
  },
  {
    folder: 'packages/client',
    rooms: [],
    packages: [],
    reason: 'The client is a package of its own that also runs in browsers and Deno.',
  },
  {
    folder: 'packages/client/test',
    rooms: ['packages/client'],
    packages: ['vitest'],
    reason: 'These tests belong to the package: they need the client and nothing else.',
  },
  {
    folder: 'packages/local-aws',
    rooms: [],
    packages: [NODE, 'fast-xml-parser'],
    reason:
      'The local AWS knows the wire protocol of AWS only, so that it cannot share a mistake with the fleet.',
  },
  {
    folder: 'packages/local-aws/test',
    rooms: ['packages/local-aws'],
    packages: [NODE, ...SDK, 'vitest', 'fast-check'],
    reason:
      'The local AWS is tested with the AWS SDK alone, so that it can be published by itself.',
  },
  {
    folder: 'packages/disk',
    rooms: [],
    packages: [NODE, '@aws-sdk/client-ec2'],
    reason: 'The disk daemon runs on hosts without the fleet: EC2 is all that it knows of AWS.',
    exceptions: [
      {
        file: 'packages/disk/bundle.ts',
        packages: ['esbuild'],
        reason: 'bundle.ts makes the bundle and is not part of it.',
      },
    ],
  },
  {
    folder: 'packages/disk/test',
    rooms: ['packages/disk'],
    packages: [NODE, 'vitest', 'fast-check'],
    reason: 'These tests play EC2 and a host themselves, so that they can be told apart from ours.',
  },
  {
    folder: 'examples',
    rooms: ['packages/client'],
    packages: [NODE, '@batchwell/client', 'bullmq'],
    reason: 'An example is a file that a reader copies into a project of their own.',
  },
  {
    folder: 'web',
    rooms: ['packages/client'],
    packages: ['preact', 'preact/*'],
    reason: 'The page runs in browsers. It knows the API as any other client does.',
  },
  {
    folder: 'ops',
    rooms: ['core', 'telemetry'],
    packages: ['@grafana/grafana-foundation-sdk'],
    reason: 'The dashboard is made of the metrics catalogue and the names of places.',
  },
  {
    folder: 'infra',
    rooms: ['stager', 'packages/local-aws', 'packages/disk', 'cli', 'aws', 'telemetry'],
    packages: [
      NODE,
      ...SDK,
      'aws-cdk-lib',
      'cdk-nag',
      '@cloud-copilot/iam-simulate',
      'vitest',
      'yaml',
    ],
    reason:
      'infra is a package of its own: the fleet never needs the CDK, nor do the templates its decisions.',
  },
  {
    folder: 'infra/test',
    rooms: [
      'core',
      'stager',
      'packages/disk',
      'packages/disk/test',
      'packages/local-aws',
      'cli',
      'aws',
      'telemetry',
      'infra',
    ],
    packages: [
      NODE,
      ...SDK,
      '@cloud-copilot/iam-simulate',
      'aws-cdk-lib',
      'cdk-nag',
      'vitest',
      'yaml',
    ],
    reason:
      'The tests run fleets against the templates, and jobs on hosts that boot, whose EC2 the tests of the disk daemon play.',
  },
];

/** They serve the whole repository, so they may import all of it; no room may import them. */
export const unboundFolders = ['test', 'bench', 'scripts'] as const;
