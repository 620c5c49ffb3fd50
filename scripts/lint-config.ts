/**
 * The arrows between folders, each with its reason. `npm run generate` writes them into .oxlintrc.json,
 * so that the rule and the reason stand in one place.
 */
import { writeFile } from 'node:fs/promises';

interface Arrow {
  files: string[];
  mayNotImport: string[];
  reason: string;
}

const sdk = ['@aws-sdk/*', '@smithy/*'];
const orm = ['drizzle-orm', 'drizzle-orm/*', 'mysql2', 'mysql2/*'];
const redis = ['bullmq', 'ioredis'];
const folders = (...names: string[]) => names.flatMap((name) => [`**/${name}/**`]);

const arrows: Arrow[] = [
  {
    files: ['core/**/*.ts'],
    mayNotImport: [
      ...folders(
        'db',
        'queues',
        'aws',
        'telemetry',
        'workers',
        'api',
        'cli',
        'client',
        'local-aws',
        'stager',
        'cromwell',
      ),
      '**/config.ts',
      ...sdk,
      ...orm,
      ...redis,
      'node:fs',
      'node:fs/*',
      'node:net',
      'node:http',
      'node:child_process',
      'node:timers',
      'node:timers/*',
    ],
    reason:
      'core decides and does no I/O: it imports only core, so that every decision can be tested as a value.',
  },
  {
    files: ['db/**/*.ts'],
    mayNotImport: [
      ...folders(
        'queues',
        'aws',
        'workers',
        'api',
        'cli',
        'client',
        'local-aws',
        'stager',
        'cromwell',
      ),
      ...sdk,
      ...redis,
    ],
    reason:
      'db knows tables and queries only; what to do with a row is decided in core and done in workers.',
  },
  {
    files: ['queues/**/*.ts'],
    mayNotImport: [
      ...folders('db', 'aws', 'workers', 'api', 'cli', 'client', 'local-aws', 'stager', 'cromwell'),
      ...sdk,
      ...orm,
    ],
    reason: 'a message is a nudge that carries ids; it knows neither rows nor AWS.',
  },
  {
    files: ['aws/**/*.ts'],
    mayNotImport: [
      ...folders(
        'db',
        'queues',
        'workers',
        'api',
        'cli',
        'client',
        'local-aws',
        'stager',
        'cromwell',
      ),
      ...orm,
      'bullmq',
    ],
    reason: 'aws is a thin edge around the SDK; it must serve a worker, a test and the API alike.',
  },
  {
    files: ['telemetry/**/*.ts'],
    mayNotImport: [
      ...folders(
        'db',
        'queues',
        'aws',
        'workers',
        'api',
        'cli',
        'client',
        'local-aws',
        'stager',
        'cromwell',
      ),
      ...sdk,
      ...orm,
      ...redis,
    ],
    reason: 'telemetry is the one catalogue everybody counts by; it depends on nobody.',
  },
  {
    files: ['workers/**/*.ts'],
    mayNotImport: [
      ...folders('api', 'cli', 'client', 'local-aws', 'stager', 'cromwell'),
      ...sdk,
      ...orm,
    ],
    reason:
      'workers and api scale apart, so neither imports the other; SDK and ORM stop at aws/ and db/.',
  },
  {
    files: ['workers/stages/**/*.ts'],
    mayNotImport: [
      ...redis,
      ...folders('api', 'cli', 'client', 'local-aws', 'stager', 'cromwell'),
      ...sdk,
      ...orm,
    ],
    reason: 'a stage is rows in, a decision, effects out; only run-stage.ts knows BullMQ.',
  },
  {
    files: ['api/**/*.ts'],
    mayNotImport: [
      ...folders('workers', 'cli', 'client', 'local-aws', 'stager', 'cromwell'),
      ...sdk,
      ...orm,
      'ioredis',
    ],
    reason:
      'workers and api scale apart, so neither imports the other; SDK and ORM stop at aws/ and db/.',
  },
  {
    files: ['cli/**/*.ts'],
    mayNotImport: [...sdk, ...orm],
    reason: 'the CLI speaks to the API or starts a process; SDK and ORM stop at aws/ and db/.',
  },
  {
    files: ['packages/client/**/*.ts'],
    mayNotImport: ['../*', '../**', 'node:*'],
    reason:
      'client is a package of its own, and runs in browsers and Deno too: fetch, web streams and nothing else.',
  },
  {
    files: ['stager/**/*.ts'],
    mayNotImport: [
      ...folders(
        'db',
        'queues',
        'aws',
        'telemetry',
        'workers',
        'api',
        'cli',
        'client',
        'local-aws',
        'cromwell',
      ),
      '**/config.ts',
      ...orm,
      ...redis,
    ],
    reason:
      'the stager is bundled into every task’s container: core, the S3 client and nothing else.',
  },
  {
    files: ['cromwell/**/*.ts'],
    mayNotImport: [
      ...folders('db', 'queues', 'workers', 'api', 'cli', 'local-aws'),
      '**/config.ts',
      ...sdk,
      ...orm,
      ...redis,
    ],
    reason:
      'what runs on Cromwell’s host knows the fleet by HTTP and S3 only; it moves files as the stager does.',
  },
  {
    files: ['packages/local-aws/*.ts', 'packages/local-aws/{s3,batch}/**/*.ts'],
    mayNotImport: [
      ...folders('db', 'queues', 'aws', 'workers', 'api', 'cli', 'client', 'stager', 'cromwell'),
      ...sdk,
      ...orm,
    ],
    reason:
      'the local AWS knows only AWS’s wire protocol, so that it cannot agree with the fleet behind its back.',
  },
];

const complexity = {
  'max-lines': ['error', { max: 400, skipComments: true, skipBlankLines: true }],
  'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
  complexity: ['error', { max: 12 }],
};

/** The whole lint configuration, as .oxlintrc.json holds it. */
export const lintConfig = {
  $schema: './node_modules/oxlint/configuration_schema.json',
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'vitest'],
  categories: { correctness: 'error', suspicious: 'error' },
  ignorePatterns: ['dist', 'node_modules', 'coverage', 'db/migrations'],
  rules: {
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/consistent-type-imports': 'error',
    'import/no-cycle': 'error',
    'no-console': 'error',
    eqeqeq: 'error',
    'prefer-const': 'error',
    // fast-check's own documentation imports its default.
    'import/no-named-as-default-member': 'off',
    // Vitest takes a message as the second argument.
    'vitest/valid-expect': ['error', { maxArgs: 2 }],
    'no-await-in-loop': 'off',
    'no-shadow': 'off',
    'no-underscore-dangle': 'off',
    'require-post-message-target-origin': 'off',
    'unicorn/require-post-message-target-origin': 'off',
    ...complexity,
  },
  overrides: [
    ...arrows.map(({ files, mayNotImport, reason }) => ({
      files,
      rules: {
        'no-restricted-imports': [
          'error',
          { patterns: [{ group: mayNotImport, message: reason }] },
        ],
      },
    })),
    {
      files: ['test/**/*.ts', 'packages/*/test/**/*.ts', 'bench/**/*.ts'],
      rules: {
        'max-lines-per-function': 'off',
        'typescript/no-non-null-assertion': 'off',
        'unicorn/consistent-function-scoping': 'off',
      },
    },
    {
      files: ['scripts/**', 'cli/**', 'bench/**', 'examples/**', 'stager/bundle.ts'],
      rules: { 'no-console': 'off' },
    },
  ],
};

export async function writeLintConfig(): Promise<void> {
  await writeFile(
    new URL('../.oxlintrc.json', import.meta.url),
    `${JSON.stringify(lintConfig, null, 2)}\n`,
  );
}
