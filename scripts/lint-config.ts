/**
 * The lint rules, each with its reason. `npm run generate` writes them into .oxlintrc.json.
 * test/unit/lint-bites.test.ts plants a violation of each and expects the refusal.
 */
import { writeFile } from 'node:fs/promises';
import { rooms, unboundFolders, type Room } from './rooms.ts';

interface Override {
  files: string[];
  rules: Record<string, unknown>;
}

/** The only files that read the environment; config.ts serves everything else. */
const ENVIRONMENT_READERS: readonly { files: string[]; reason: string }[] = [
  { files: ['config.ts'], reason: 'Reads the settings, once and as a whole.' },
  { files: ['cli/output/terminal.ts'], reason: 'Hands the environment to the commands.' },
  { files: ['cli/services/**'], reason: 'Searches PATH; builds the environment of child servers.' },
  { files: ['stager/**'], reason: 'Runs in a container, where AWS Batch sets the environment.' },
  {
    files: ['packages/local-aws/**'],
    reason: 'Is a package of its own; searches PATH for a container engine.',
  },
  {
    files: ['packages/disk/**'],
    reason: 'Is a package of its own; systemd gives it the settings of the launch template.',
  },
  { files: ['examples/**'], reason: 'Stand-alone programs.' },
  {
    files: ['scripts/**', 'bench/**', 'test/**', 'infra/**', '*.config.ts'],
    reason: 'Tools: they start processes and choose what to run.',
  },
];

const CORE_IS_PURE =
  'core is pure: take the time, a random number or a text as an argument, and return a value.';
const ONE_READER = 'config.ts is the only reader of the environment: take the setting from Config.';

const ENVIRONMENT = [
  { object: 'process', property: 'env', message: ONE_READER },
  { object: 'globalThis', property: 'process', message: ONE_READER },
];

const CORE_PROPERTIES = [
  { object: 'Date', property: 'now', message: CORE_IS_PURE },
  { object: 'Math', property: 'random', message: CORE_IS_PURE },
  // `new Date()` without an argument: test/unit/arrows.test.ts looks for it.
  ...ENVIRONMENT,
];

const CORE_GLOBALS = [
  'fetch',
  'process',
  'performance',
  'console',
  'crypto',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
];

const folders = [
  ...rooms.map(({ folder }) => folder),
  ...unboundFolders,
  'config.ts',
  'price-file.ts',
];

/** Any number of steps up, then into a room. A glob such as `**\/db/**` does not match `../../db/x.ts`. */
function pathInto(names: readonly string[]): string {
  const escaped = names.map((name) =>
    name.replace(/^packages\//, '').replaceAll('.', String.raw`\.`),
  );
  return String.raw`^(\.\./)+(packages/)?(${escaped.join('|')})(/|$)`;
}

function importRules(room: Room, packages: readonly string[], reason: string) {
  const forbidden = folders.filter((folder) => !isReachable(room, folder));
  return {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          { regex: pathInto(forbidden), message: room.reason },
          {
            group: [
              '*',
              '!./**',
              '!../**',
              ...packages.flatMap((name) => [`!${name}`, `!${name}/**`]),
            ],
            message: reason,
          },
        ],
      },
    ],
  };
}

const isReachable = (room: Room, folder: string) =>
  folder === room.folder ||
  room.rooms.includes(folder) ||
  room.folder.startsWith(`${folder}/`) ||
  folder.startsWith(`${room.folder}/`);

function overridesOf(room: Room): Override[] {
  const { folder, packages, reason, exceptions = [] } = room;
  return [
    { files: [`${folder}/**/*.ts`], rules: importRules(room, packages, reason) },
    ...exceptions.map((exception) => ({
      files: [exception.file],
      rules: importRules(room, [...packages, ...exception.packages], exception.reason),
    })),
  ];
}

/** The whole lint configuration, as .oxlintrc.json holds it. */
export const lintConfig = {
  $schema: './node_modules/oxlint/configuration_schema.json',
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'vitest'],
  categories: { correctness: 'error', suspicious: 'error' },
  ignorePatterns: ['dist', 'node_modules', 'coverage', 'db/migrations', 'web/built'],
  rules: {
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/consistent-type-imports': 'error',
    // Types count: files that need each other's types cannot be read one after the other.
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'no-restricted-properties': ['error', ...ENVIRONMENT],
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
    // A file, a function or a condition of this size is read in one go.
    'max-lines': ['error', { max: 400, skipComments: true, skipBlankLines: true }],
    'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
    complexity: ['error', { max: 12 }],
  },
  overrides: [
    ...rooms.flatMap(overridesOf),
    // Generated: one type per schema of the API.
    { files: ['packages/client/types.generated.ts'], rules: { 'max-lines': 'off' } },
    {
      files: ENVIRONMENT_READERS.flatMap(({ files }) => files),
      rules: { 'no-restricted-properties': 'off' },
    },
    {
      files: ['core/**/*.ts', 'packages/disk/rules/**/*.ts'],
      rules: {
        'no-restricted-properties': ['error', ...CORE_PROPERTIES],
        'no-restricted-globals': [
          'error',
          {
            globals: CORE_GLOBALS.map((name) => ({ name, message: CORE_IS_PURE })),
            checkGlobalObject: true,
          },
        ],
      },
    },
    {
      // A suite is one long function; a test fails by itself where a value is missing.
      files: ['test/**/*.ts', 'packages/*/test/**/*.ts', 'bench/**/*.ts', 'infra/test/**/*.ts'],
      rules: {
        'max-lines-per-function': 'off',
        'typescript/no-non-null-assertion': 'off',
        'unicorn/consistent-function-scoping': 'off',
      },
    },
    {
      // Programs that a person starts; services write their log through telemetry/log.ts.
      files: [
        'scripts/**',
        'cli/**',
        'bench/**',
        'examples/**',
        'infra/**',
        'stager/bundle.ts',
        // Its log is the journal of systemd.
        'packages/disk/**',
      ],
      rules: { 'no-console': 'off' },
    },
    {
      // A construct of the CDK registers itself with its stack.
      files: ['infra/stacks/**/*.ts'],
      rules: { 'no-new': 'off' },
    },
  ] satisfies Override[],
};

export async function writeLintConfig(): Promise<void> {
  await writeFile(
    new URL('../.oxlintrc.json', import.meta.url),
    `${JSON.stringify(lintConfig, null, 2)}\n`,
  );
}
